{{- /*
Refuses an install whose pods the cluster would not admit. Later, Kubernetes gives the reason only in events of the
DaemonSet, and `helm install --wait` reports only a timeout.
*/}}
{{- define "meshaccel.checks" -}}
{{- $effective := include "meshaccel.effective" . | fromYaml -}}
{{- if eq $effective.binDir $effective.confDir -}}
{{- fail "cni.binDir and cni.confDir name the same directory" -}}
{{- end -}}
{{- if and .Values.agent.scrapeAnnotations (include "meshaccel.metricsAreLocal" .) -}}
{{- fail "agent.scrapeAnnotations: nobody outside of a node reaches its loopback address; set agent.metricsHost, to 0.0.0.0 for instance" -}}
{{- end -}}
{{- /* `helm template` has no cluster: lookup finds nothing. */ -}}
{{- if and .Values.clusterChecks (lookup "v1" "Namespace" "" "kube-system") -}}
{{- include "meshaccel.checkPodSecurity" (dict "root" . "effective" $effective) -}}
{{- include "meshaccel.checkPriority" (dict "root" . "effective" $effective) -}}
{{- end -}}
{{- end }}

{{- define "meshaccel.checkPodSecurity" -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $found := lookup "v1" "Namespace" "" $namespace -}}
{{- $enforced := dig "metadata" "labels" "pod-security.kubernetes.io/enforce" "" (merge (dict) $found) -}}
{{- $label := printf "kubectl label --overwrite namespace %s pod-security.kubernetes.io/enforce=privileged" $namespace -}}
{{- if has $enforced (list "baseline" "restricted") -}}
{{- fail (printf "namespace %s enforces the Pod Security level %s, which admits no pod of the agent: it needs host namespaces, host paths and capabilities. Run `%s`, or install into another namespace" $namespace $enforced $label) -}}
{{- end -}}
{{- if and .effective.enforcesBaseline (ne $namespace "kube-system") (ne $enforced "privileged") -}}
{{- $make := $found | empty | ternary (printf "kubectl create namespace %s; " $namespace) "" -}}
{{- fail (printf "platform %s enforces the Pod Security level baseline in namespaces without a label, which admits no pod of the agent. Run `%s%s` first" .effective.platform $make $label) -}}
{{- end -}}
{{- end }}

{{- define "meshaccel.checkPriority" -}}
{{- $class := .root.Values.priorityClassName -}}
{{- if and $class (not (lookup "scheduling.k8s.io/v1" "PriorityClass" "" $class)) -}}
{{- fail (printf "priorityClassName: the cluster has no priority class %s, and admits no pod that names it" $class) -}}
{{- end -}}
{{- if and (eq .effective.platform "gke") (hasPrefix "system-" $class) (not .effective.resourceQuota) (ne .root.Release.Namespace "kube-system") -}}
{{- $limited := false -}}
{{- range (lookup "v1" "ResourceQuota" .root.Release.Namespace "").items -}}
{{- range (dig "spec" "scopeSelector" "matchExpressions" list .) -}}
{{- if eq .scopeName "PriorityClass" }}{{ $limited = true }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if not $limited -}}
{{- fail (printf "resourceQuota.enabled: GKE admits pods of the class %s only where a ResourceQuota is for that class, and namespace %s has none" $class .root.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* The names of the current nodes on which the agent may run, one per line. */}}
{{- define "meshaccel.nodes" -}}
{{- $selector := .Values.nodeSelector -}}
{{- range (lookup "v1" "Node" "" "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $takes := and (eq (get $labels "kubernetes.io/os") "linux") (ne (get $labels "eks.amazonaws.com/compute-type") "fargate") -}}
{{- if has (get $labels "type") (list "virtual-kubelet" "virtual-node" "kwok") }}{{ $takes = false }}{{ end -}}
{{- range $key, $value := $selector -}}
{{- if ne (get $labels $key) $value }}{{ $takes = false }}{{ end -}}
{{- end -}}
{{- if $takes }}{{ println .metadata.name }}{{ end -}}
{{- end -}}
{{- end }}
