{{- /*
Nodes with a kernel of their own. Virtual nodes have none: a pod there waits for ever, and a DaemonSet with it. The
nodeSelector below adds that it is Linux.
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

{{- /* Of the DaemonSets: on each node that the values name. */}}
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

{{- /* Of the Jobs: on any node, since none of those that the values name needs to be left by then. */}}
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
