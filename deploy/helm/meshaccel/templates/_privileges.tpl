{{- /*
The privileges for the kernel, in place of `privileged`. test/system/deploy/image.test.ts runs the self-test with just these.

They amount to root on the node. With SYS_ADMIN, SYS_PTRACE, DAC_OVERRIDE and hostPID a process can write the host's files
through /proc/1/root. The list is short so that a mistake does less. It stops no attacker.
*/}}
{{- define "meshaccel.kernelPrivileges" -}}
runAsUser: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile: { type: RuntimeDefault }
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version }}
# The runtimes' profile forbids access to the processes of other pods. The agent finds network namespaces by them.
appArmorProfile: { type: Unconfined }
{{- end }}
# SELinux's type for containers that manage the host. No effect without SELinux.
seLinuxOptions: { level: s0, type: spc_t }
capabilities:
  drop: [ALL]
  add:
    # Enters the pods' network namespaces, which setns() and BPF iterators over a pod's sockets need. The kernel accepts it
    # in place of the next three. They stay listed for the day when it is no longer needed.
    - SYS_ADMIN
    # Loads programs, makes maps and pins.
    - BPF
    # Attaches to tracepoints, whose programs read kernel memory.
    - PERFMON
    # Attaches to cgroups and to the sockhash.
    - NET_ADMIN
    # Opens /proc/PID/ns/net and reads /proc/PID/exe of processes of other users.
    - SYS_PTRACE
    # Searches directories of other users, such as their /proc/PID/fd, and creates files in directories of the host.
    - DAC_OVERRIDE
{{- end }}

{{- /* The privileges for the CNI files of the host. */}}
{{- define "meshaccel.cniPrivileges" -}}
# The files belong to root.
runAsUser: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile: { type: RuntimeDefault }
seLinuxOptions: { level: s0, type: spc_t }
capabilities:
  drop: [ALL]
  # Some networks keep these files under another owner. A replaced file keeps its owner.
  add: [CHOWN, DAC_OVERRIDE]
{{- end }}

{{- define "meshaccel.noPrivileges" -}}
runAsNonRoot: true
runAsUser: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
seccompProfile: { type: RuntimeDefault }
capabilities: { drop: [ALL] }
{{- end }}

{{- /* An init container that mounts bpffs on the host, where no init system does: in nodes that are containers. */}}
{{- define "meshaccel.mountBpffs" -}}
- name: bpffs
  image: {{ include "meshaccel.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [mount-bpffs, /sys/fs/bpf]
  # Kubernetes lets only privileged containers make mounts that the host sees.
  securityContext: { privileged: true, runAsUser: 0, readOnlyRootFilesystem: true }
  volumeMounts:
    - { name: bpf, mountPath: /sys/fs/bpf, mountPropagation: Bidirectional }
{{- end }}
