/**
 * BPF through the system's libbpf.so.1, for Linux 5.15 and later.
 *
 * ```ts
 * using open = BpfObject.open('verdict.bpf.o')
 * open.setGlobal('cap_bytes', u32, 65536)
 * using object = open.load()
 * using pods = object.map('pods', u64, struct({ uid: u32, flags: u32 }))
 * using link = object.program('verdict').attachSkMsg(object.anyMap('sockets'))
 * link.pin('/sys/fs/bpf/example/verdict')
 * ```
 *
 * Every handle owns one resource (or borrows it from its object) and is disposed once, by `using` or
 * `[Symbol.dispose]()`; use afterwards throws. A failed call throws a BpfError with errno, name, hint and libbpf's log.
 */
export type { NetfilterHook, NetfilterPlace, TcxDirection, XdpMode } from './attach/network.ts'
export { type ErrorDetails, LibbpfError } from './base-error.ts'
export { bpf2ts, type Bpf2tsOptions } from './bpf2ts.ts'
export { Btf, type GlobalVariable, structLayout } from './btf.ts'
export { withKernelNumbers } from './kernel-types/numbers.ts'
export {
  array,
  bool,
  bytes,
  type Codec,
  type Decoded,
  i16,
  i32,
  i64,
  i8,
  type Layout,
  struct,
  structAt,
  type StructCodec,
  text,
  u16,
  u16Be,
  u32,
  u32Be,
  u64,
  u64Be,
  u8,
} from './codec.ts'
export { BpfError, type BpfErrorOptions, errnoName, type Hint, VerifierError } from './error.ts'
export {
  hasHelper,
  hasKernelBtf,
  hasMapType,
  hasProgramType,
  hasSockmapLink,
  type HelperProgramType,
  type MapType,
  kernelFunctions,
  kernelTracepoints,
  probeBpf,
  type ProgramType,
} from './features.ts'
export { Handle } from './handle.ts'
export {
  type CgroupMode,
  type CgroupPrograms,
  cgroupPrograms,
  type LinkInfo,
  loadedPrograms,
  type MapInfo,
  type ProgramInfo,
} from './info.ts'
export { IterLink, OpenIter } from './iter.ts'
export { kernelBtf } from './kernel-types/kernel-btf.ts'
export {
  currentNetnsCookie,
  exchangeFiles,
  mountFileSystem,
  netnsCookie,
  openFd,
  probeIpv6,
  tryLock,
  unmountFileSystem,
  withNetns,
} from './libc.ts'
export { libbpfVersion } from './libbpf-version.ts'
export { type Attachment, type HasFd, Link, SockmapAttachment } from './link.ts'
export { type DescribedMap, describeMap, type MapDescription } from './map-description.ts'
export { AnyMap, BpfMap, possibleCpus, type UpdateWhen } from './map.ts'
export {
  BpfObject,
  LoadedObject,
  type LoadOptions,
  OpenObject,
  type OpenOptions,
} from './object.ts'
export { inspectPin, unpin } from './pin.ts'
export { Program, type SockmapMode, type UprobeOptions } from './program.ts'
export { RingBuffer } from './ring-buffer.ts'
export { type EdgeWatch, listenOnLoopback, MPTCP, TcpSocket } from './tcp-socket.ts'
