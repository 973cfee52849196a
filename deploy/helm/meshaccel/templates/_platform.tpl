{{- /*
The directories and objects of each platform that differ from the defaults in meshaccel.effective. docs/PLATFORMS.md has
the source of each value.
*/}}
{{- define "meshaccel.platforms" -}}
gke:
  binDir: /home/kubernetes/bin
  # Pods of the class system-node-critical need a quota for it in their namespace, as kube-system has.
  resourceQuota: true
eks: {}
aks: {}
openshift:
  # The network's chain belongs to Multus and the cluster network operator. Enrolment takes up to a second without it.
  cni: false
  binDir: /var/lib/cni/bin
  confDir: /etc/cni/multus/net.d
  criDir: /run/crio
  securityContextConstraints: true
k3s:
  binDir: /var/lib/rancher/k3s/data/cni
  confDir: /var/lib/rancher/k3s/agent/etc/cni/net.d
  criDir: /run/k3s/containerd
k3d:
  binDir: /bin
  confDir: /var/lib/rancher/k3s/agent/etc/cni/net.d
  criDir: /run/k3s/containerd
  mountBpffs: true
kind:
  mountBpffs: true
minikube:
  mountBpffs: true
  netnsDirs: [/run/netns, /run/docker/netns]
microk8s:
  binDir: /var/snap/microk8s/current/opt/cni/bin
  confDir: /var/snap/microk8s/current/args/cni-network
  criDir: /var/snap/microk8s/common/run
talos:
  # The API server enforces the level `baseline` in namespaces without a label.
  enforcesBaseline: true
bottlerocket: {}
{{- end }}

{{- /* The platform that the API server identifies; empty if there is none. */}}
{{- define "meshaccel.detectedPlatform" -}}
{{- $version := .Capabilities.KubeVersion.Version -}}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}openshift
{{- else if contains "-gke." $version -}}gke
{{- else if contains "-eks-" $version -}}eks
{{- else if contains "+k3s" $version -}}k3s
{{- end -}}
{{- end }}

{{- define "meshaccel.platform" -}}
{{- .Values.platform | default (include "meshaccel.detectedPlatform" .) -}}
{{- end }}

{{- /* A value that may be `auto`: (list VALUE PLATFORM-DEFAULT). */}}
{{- define "meshaccel.auto" -}}
{{- if eq (index . 0 | toString) "auto" }}{{ index . 1 }}{{ else }}{{ index . 0 }}{{ end }}
{{- end }}

{{- /* Every setting that depends on the platform, as YAML: the user's value, else the platform's, else the default. */}}
{{- define "meshaccel.effective" -}}
{{- $platform := include "meshaccel.platform" . -}}
{{- $own := get (include "meshaccel.platforms" . | fromYaml) $platform | default dict -}}
platform: {{ $platform | quote }}
cni: {{ include "meshaccel.auto" (list .Values.cni.enabled (hasKey $own "cni" | ternary $own.cni true)) }}
binDir: {{ .Values.cni.binDir | default $own.binDir | default "/opt/cni/bin" | quote }}
confDir: {{ .Values.cni.confDir | default $own.confDir | default "/etc/cni/net.d" | quote }}
criDir: {{ .Values.agent.criDir | default $own.criDir | default "/run/containerd" | quote }}
cgroupPath: {{ .Values.agent.cgroupPath | default "/sys/fs/cgroup" | quote }}
netnsDirs: {{ .Values.agent.netnsDirs | default $own.netnsDirs | default (list "/run/netns") | toJson }}
mountBpffs: {{ include "meshaccel.auto" (list .Values.bpffs.mount ($own.mountBpffs | default false)) }}
resourceQuota: {{ include "meshaccel.auto" (list .Values.resourceQuota.enabled (and ($own.resourceQuota | default false) (ne .Release.Namespace "kube-system"))) }}
securityContextConstraints: {{ include "meshaccel.auto" (list .Values.securityContextConstraints.enabled ($own.securityContextConstraints | default false)) }}
enforcesBaseline: {{ $own.enforcesBaseline | default false }}
{{- end }}
