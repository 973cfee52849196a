{{- /*
Keeps pods off virtual nodes, which have no kernel of their own: a pod there waits for ever, and its DaemonSet with it. The
nodeSelector below keeps them on Linux.
*/}}
{{- define "meshaccel.realNodes" -}}
- { key: type, operator: NotIn, values: [virtual-kubelet, virtual-node, kwok] }
- { key: eks.amazonaws.com/compute-type, operator: NotIn, values: [fargate] }
{{- end }}

{{- /* The user's affinity, limited to those nodes: (dict "affinity" AFFINITY). Terms are alternatives, so each gets the limit. */}}
{{- define "meshaccel.affinity" -}}
{{- $real := include "meshaccel.realNodes" . | fromYamlArray -}}
{{- $affinity := deepCopy (.affinity | default dict) -}}
{{- $node := get $affinity "nodeAffinity" | default dict -}}
{{- $required := get $node "requiredDuringSchedulingIgnoredDuringExecution" | default dict -}}
{{- $terms := list -}}
{{- range (get $required "nodeSelectorTerms" | default (list (dict))) -}}
{{- $terms = append $terms (merge (dict "matchExpressions" (concat (.matchExpressions | default list) $real)) .) -}}
{{- end -}}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- toYaml (set $affinity "nodeAffinity" $node) -}}
{{- end }}

{{- /* For the DaemonSets: each node that the values name. */}}
{{- define "meshaccel.scheduling" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
nodeSelector: {{- toYaml (merge (dict "kubernetes.io/os" "linux") .Values.nodeSelector) | nindent 2 }}
affinity: {{- include "meshaccel.affinity" (dict "affinity" .Values.affinity) | nindent 2 }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* For the Jobs: any real node. By then the nodes that the values name may be gone. */}}
{{- define "meshaccel.jobScheduling" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
nodeSelector: { kubernetes.io/os: linux }
affinity: {{- include "meshaccel.affinity" dict | nindent 2 }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
