{{- /* At most 63 bytes for the longest derived name, NAME-cleanup-agents: a Job's name is a label of its pods. */}}
{{- define "meshaccel.name" -}}
{{- if contains "meshaccel" .Release.Name }}{{ .Release.Name | trunc 46 | trimSuffix "-" }}{{ else }}{{ printf "%s-meshaccel" .Release.Name | trunc 46 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "meshaccel.selector" -}}
app.kubernetes.io/name: meshaccel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "meshaccel.labels" -}}
{{ include "meshaccel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- if not .Values.plainManifests }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- end }}

{{- define "meshaccel.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshaccel.hook" -}}
helm.sh/hook: post-delete
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /* Annotations of an object of the cleanup: (dict "root" . "weight" 1). */}}
{{- define "meshaccel.cleanupAnnotations" -}}
{{- if not .root.Values.plainManifests }}
annotations:
  {{- include "meshaccel.hook" .root | nindent 2 }}
  helm.sh/hook-weight: {{ .weight | quote }}
{{- end }}
{{- end }}

{{- /* Keeps the agent and its cleanup out of the mesh. */}}
{{- define "meshaccel.unmeshed" -}}
sidecar.istio.io/inject: 'false'
linkerd.io/inject: disabled
{{- end }}
