{{- /*
Objects that a platform requires before it admits the pods. Helm deletes the release's objects before the cleanup runs. So
the cleanup has its own: (dict "root" . "effective" EFFECTIVE "name" NAME "accounts" ACCOUNTS "cleanup" false).
*/}}
{{- define "meshaccel.resourceQuota" -}}
{{- if and .effective.resourceQuota .root.Values.priorityClassName }}
---
apiVersion: v1
kind: ResourceQuota
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "meshaccel.labels" .root | nindent 4 }}
  {{- if .cleanup }}
  {{- with include "meshaccel.cleanupAnnotations" (dict "root" .root "weight" 0) }}{{ . | trim | nindent 2 }}{{ end }}
  {{- end }}
spec:
  hard:
    pods: {{ .root.Values.resourceQuota.pods | int | quote }}
  scopeSelector:
    matchExpressions:
      - { scopeName: PriorityClass, operator: In, values: [{{ .root.Values.priorityClassName }}] }
{{- end }}
{{- end }}

{{- define "meshaccel.securityContextConstraints" -}}
{{- if .effective.securityContextConstraints }}
---
apiVersion: security.openshift.io/v1
kind: SecurityContextConstraints
metadata:
  name: {{ .name }}
  labels: {{- include "meshaccel.labels" .root | nindent 4 }}
  {{- if .cleanup }}
  {{- with include "meshaccel.cleanupAnnotations" (dict "root" .root "weight" 0) }}{{ . | trim | nindent 2 }}{{ end }}
  {{- end }}
# Limited to these accounts, so that no role has to allow its use.
users:
  {{- range .accounts }}
  - system:serviceaccount:{{ $.root.Release.Namespace }}:{{ . }}
  {{- end }}
groups: []
allowPrivilegedContainer: {{ .effective.mountBpffs }}
allowPrivilegeEscalation: {{ .effective.mountBpffs }}
allowHostNetwork: true
allowHostPID: true
allowHostIPC: false
allowHostPorts: true
allowHostDirVolumePlugin: true
allowedCapabilities: [SYS_ADMIN, BPF, PERFMON, NET_ADMIN, SYS_PTRACE, DAC_OVERRIDE, CHOWN]
defaultAddCapabilities: []
requiredDropCapabilities: []
readOnlyRootFilesystem: true
runAsUser: { type: RunAsAny }
seLinuxContext: { type: RunAsAny }
fsGroup: { type: RunAsAny }
supplementalGroups: { type: RunAsAny }
seccompProfiles: [runtime/default]
volumes: [hostPath, emptyDir, projected]
{{- end }}
{{- end }}
