package main

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// The verdict of Pod Security admission on the pods of an object.
type pod struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Why a level refuses them; nothing where it admits them.
	Refusals map[api.Level][]string `json:"refusals"`
}

var evaluator = func() policy.Evaluator {
	found, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		panic(err)
	}
	return found
}()

func evaluate(kind, name string, template *corev1.PodTemplateSpec) pod {
	found := pod{Kind: kind, Name: name, Refusals: map[api.Level][]string{}}
	for _, level := range []api.Level{api.LevelPrivileged, api.LevelBaseline, api.LevelRestricted} {
		asked := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		found.Refusals[level] = []string{}
		for _, result := range evaluator.EvaluatePod(asked, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				found.Refusals[level] = append(found.Refusals[level], result.ForbiddenReason)
			}
		}
	}
	return found
}
