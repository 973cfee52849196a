// Renders the chart as `helm template` and `helm install` do, and judges the objects as an API server does. It reads
// cases as JSON from the standard input and writes a verdict for each one. One process for all of them: to start helm
// for each case takes a hundred times as long.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/kubernetes/pkg/capabilities"
)

type request struct {
	// The text of a values file, which helm reads as YAML 1.1.
	Values      string `json:"values"`
	KubeVersion string `json:"kubeVersion"`
	// API versions that the cluster serves besides Kubernetes' own.
	APIVersions []string `json:"apiVersions"`
	Release     string   `json:"release"`
	Namespace   string   `json:"namespace"`
	// The objects that `lookup` finds. Absent: there is no cluster, as for `helm template`.
	Cluster []unstructured.Unstructured `json:"cluster"`
}

type verdict struct {
	// Why helm refuses, if it does.
	Error string `json:"error,omitempty"`
	Notes string `json:"notes,omitempty"`
	// The text of all manifests, in helm's order of files.
	Manifests string `json:"manifests,omitempty"`
	// The answers of an API server to bad objects.
	Problems []string `json:"problems"`
	Pods     []pod    `json:"pods"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: admission CHART <CASES")
	}
	// As the API servers of kubeadm and of all providers do.
	capabilities.Setup(true, 0)
	loaded, err := loader.Load(os.Args[1])
	if err != nil {
		return err
	}
	var requests []request
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		return err
	}
	verdicts := make([]verdict, 0, len(requests))
	for _, each := range requests {
		verdicts = append(verdicts, judge(loaded, each))
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func judge(loaded *chart.Chart, asked request) verdict {
	files, err := render(loaded, asked)
	if err != nil {
		return verdict{Error: err.Error(), Problems: []string{}, Pods: []pod{}}
	}
	found := verdict{Problems: []string{}, Pods: []pod{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case strings.HasSuffix(name, "NOTES.txt"):
			found.Notes = files[name]
			continue
		case strings.HasPrefix(name[strings.LastIndex(name, "/")+1:], "_"):
			continue
		}
		documents := releaseutil.SplitManifests(files[name])
		for _, key := range slices.SortedFunc(maps.Keys(documents), byNumber) {
			found.Manifests += "---\n" + documents[key] + "\n"
			problems, pods := examine(documents[key], asked.Namespace)
			for _, problem := range problems {
				found.Problems = append(found.Problems, name+": "+problem)
			}
			found.Pods = append(found.Pods, pods...)
		}
	}
	return found
}

// The keys of SplitManifests are manifest-0, manifest-1, ..., manifest-10.
func byNumber(left, right string) int {
	if len(left) != len(right) {
		return len(left) - len(right)
	}
	return strings.Compare(left, right)
}

func render(loaded *chart.Chart, asked request) (map[string]string, error) {
	served := chartutil.DefaultCapabilities.Copy()
	parsed, err := version.ParseGeneric(asked.KubeVersion)
	if err != nil {
		return nil, err
	}
	served.KubeVersion = chartutil.KubeVersion{
		Version: asked.KubeVersion,
		Major:   fmt.Sprint(parsed.Major()),
		Minor:   fmt.Sprint(parsed.Minor()),
	}
	served.APIVersions = append(served.APIVersions, asked.APIVersions...)
	options := chartutil.ReleaseOptions{
		Name: asked.Release, Namespace: asked.Namespace, Revision: 1, IsInstall: true,
	}
	given, err := chartutil.ReadValues([]byte(asked.Values))
	if err != nil {
		return nil, err
	}
	values, err := chartutil.ToRenderValues(loaded, given, options, served)
	if err != nil {
		return nil, err
	}
	if asked.Cluster == nil {
		return engine.Render(loaded, values)
	}
	return engine.RenderWithClientProvider(loaded, values, cluster(asked.Cluster))
}
