/** A listening address: TCP, or the path of a Unix socket. */
export type Endpoint =
  { readonly host: string; readonly port: number } | { readonly socket: string }
