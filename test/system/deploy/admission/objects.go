package main

import (
	"fmt"

	securityv1 "github.com/openshift/api/security/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corev1conversion "k8s.io/kubernetes/pkg/apis/core/v1"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/kubernetes/pkg/apis/rbac"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	rbacvalidation "k8s.io/kubernetes/pkg/apis/rbac/validation"
	"sigs.k8s.io/yaml"
)

// OpenShift's own type as far as its module can be had, and what came after it.
type constraints struct {
	securityv1.SecurityContextConstraints `json:",inline"`
	AllowPrivilegeEscalation              *bool `json:"allowPrivilegeEscalation,omitempty"`
}

var codecs = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)

// The answers of an API server to a bad manifest, and the pods that the manifest asks for.
func examine(manifest, namespace string) ([]string, []pod) {
	var about metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(manifest), &about); err != nil {
		return []string{err.Error()}, nil
	}
	text, err := yaml.YAMLToJSONStrict([]byte(manifest))
	if err != nil {
		return []string{err.Error()}, nil
	}
	switch about.GroupVersionKind().Group {
	case "monitoring.coreos.com":
		// The Prometheus operator's own; there is no code of Kubernetes for it.
		return nil, nil
	case "security.openshift.io":
		return problemsOf(about.Kind, yaml.UnmarshalStrict(text, new(constraints))), nil
	}
	object, err := runtime.Decode(codecs.UniversalDecoder(), text)
	if err != nil {
		return problemsOf(about.Kind, err), nil
	}
	setNamespace(object, namespace)
	errors, template := validate(object)
	problems := make([]string, 0, len(errors))
	for _, each := range errors {
		problems = append(problems, about.Kind+": "+each.Error())
	}
	if template == nil {
		return problems, nil
	}
	var external corev1.PodTemplateSpec
	if err := corev1conversion.Convert_core_PodTemplateSpec_To_v1_PodTemplateSpec(template, &external, nil); err != nil {
		return append(problems, err.Error()), nil
	}
	accessor := object.(metav1.ObjectMetaAccessor).GetObjectMeta()
	return problems, []pod{evaluate(about.Kind, accessor.GetName(), &external)}
}

// A client gives its own namespace to what names none.
func setNamespace(object runtime.Object, namespace string) {
	switch object.(type) {
	case *core.Namespace, *rbac.ClusterRole, *rbac.ClusterRoleBinding:
		return
	}
	if accessor := object.(metav1.ObjectMetaAccessor).GetObjectMeta(); accessor.GetNamespace() == "" {
		accessor.SetNamespace(namespace)
	}
}

func problemsOf(kind string, err error) []string {
	if err == nil {
		return nil
	}
	return []string{kind + ": " + err.Error()}
}

func validate(object runtime.Object) (field.ErrorList, *core.PodTemplateSpec) {
	switch typed := object.(type) {
	case *apps.DaemonSet:
		options := podutil.GetValidationOptionsFromPodTemplate(&typed.Spec.Template, nil)
		return appsvalidation.ValidateDaemonSet(typed, options), &typed.Spec.Template
	case *batch.Job:
		options := podutil.GetValidationOptionsFromPodTemplate(&typed.Spec.Template, nil)
		template := &batch.JobTemplateSpec{ObjectMeta: typed.ObjectMeta, Spec: typed.Spec}
		return batchvalidation.ValidateJobTemplateSpec(template, nil, options), &typed.Spec.Template
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(typed), nil
	case *core.Namespace:
		return corevalidation.ValidateNamespace(typed), nil
	case *core.ResourceQuota:
		return corevalidation.ValidateResourceQuota(typed), nil
	case *core.Service:
		// The API server fills it in before it validates.
		if typed.Spec.ClusterIP != "" {
			typed.Spec.ClusterIPs = []string{typed.Spec.ClusterIP}
		}
		return corevalidation.ValidateServiceCreate(typed), nil
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(typed), nil
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(typed, networkingvalidation.NetworkPolicyValidationOptions{}), nil
	case *policy.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(typed, policyvalidation.PodDisruptionBudgetValidationOptions{}), nil
	case *rbac.ClusterRole:
		return rbacvalidation.ValidateClusterRole(typed, rbacvalidation.ClusterRoleValidationOptions{}), nil
	case *rbac.ClusterRoleBinding:
		return rbacvalidation.ValidateClusterRoleBinding(typed), nil
	case *rbac.Role:
		return rbacvalidation.ValidateRole(typed), nil
	case *rbac.RoleBinding:
		return rbacvalidation.ValidateRoleBinding(typed), nil
	}
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("no validation for %T", object))}, nil
}
