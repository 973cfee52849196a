{{- /* `on` and `off` are booleans in YAML unless they are quoted. */}}
{{- define "meshaccel.onOff" -}}
{{- if kindIs "bool" . }}{{ ternary "on" "off" . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* HOST:PORT; an IPv6 address gets brackets. */}}
{{- define "meshaccel.metricsAddress" -}}
{{- $host := .Values.agent.metricsHost | trimPrefix "[" | trimSuffix "]" -}}
{{- if contains ":" $host }}[{{ $host }}]{{ else }}{{ $host }}{{ end }}:{{ .Values.agent.metricsPort }}
{{- end }}

{{- /* The address that the kubelet's probes use. */}}
{{- define "meshaccel.probeHost" -}}
{{- $host := .Values.agent.metricsHost | trimPrefix "[" | trimSuffix "]" -}}
{{- if has $host (list "0.0.0.0" "::") }}127.0.0.1{{ else }}{{ $host }}{{ end }}
{{- end }}

{{- /* `true` if the metrics are reachable only on the node, else empty. */}}
{{- define "meshaccel.metricsAreLocal" -}}
{{- $host := .Values.agent.metricsHost | trimPrefix "[" | trimSuffix "]" -}}
{{- if or (hasPrefix "127." $host) (has $host (list "localhost" "::1")) }}true{{ end }}
{{- end }}

{{- /* The agent's arguments that name its paths, for the cleanup. */}}
{{- define "meshaccel.placeArguments" -}}
{{- range .Values.agent.extraArgs }}
{{- if or (hasPrefix "--pin=" .) (hasPrefix "--socket=" .) }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
