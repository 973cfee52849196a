/** A node's name as kubelet makes it from a host's: in lower case. Pure. */
export function nodeName(text: string): string {
  return text.trim().toLowerCase()
}
