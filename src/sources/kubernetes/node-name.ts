/** A node's name as the kubelet derives it from a host's name: in lower case. Pure. */
export function nodeName(text: string): string {
  return text.trim().toLowerCase()
}
