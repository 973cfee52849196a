package main

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
)

// A cluster of these objects, for the `lookup` of templates.
type cluster []unstructured.Unstructured

func (objects cluster) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	asked := schema.FromAPIVersionAndKind(apiVersion, kind)
	resource, _ := meta.UnsafeGuessKindToResource(asked)
	all := make([]runtime.Object, 0, len(objects))
	kinds := map[schema.GroupVersionResource]string{resource: kind + "List"}
	for index := range objects {
		all = append(all, &objects[index])
		guessed, _ := meta.UnsafeGuessKindToResource(objects[index].GroupVersionKind())
		kinds[guessed] = objects[index].GetKind() + "List"
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, all...)
	clusterWide := strings.Contains(" Namespace Node PriorityClass ", " "+kind+" ")
	return client.Resource(resource), !clusterWide, nil
}
