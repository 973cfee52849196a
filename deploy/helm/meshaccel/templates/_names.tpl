{{- define "meshaccel.name" -}}
{{- if contains "meshaccel" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-meshaccel" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "meshaccel.selector" -}}
app.kubernetes.io/name: meshaccel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "meshaccel.labels" -}}
{{ include "meshaccel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "meshaccel.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "meshaccel.hook" -}}
helm.sh/hook: post-delete
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
