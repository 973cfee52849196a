/**
 * The C functions of libbpf.so.1 and libc, each with its type: the only file that imports koffi.
 *
 * Ownership is said at each declaration: `owned` pointers must be given back to the function named, `borrowed` ones
 * belong to another object and end with it. Arguments are always only read during the call, unless said otherwise.
 * libbpf 1.x returns `-errno` from functions that return int, and NULL with errno from those that return a pointer.
 */
// The code trusts what C returns, and each declaration names its whole type at once.
/* oxlint-disable typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters */
import koffi from 'koffi'
import { LibbpfError } from './base-error.ts'

/** An address of a C object of this type. */
export type Ptr<Name extends string> = bigint & { readonly __pointsTo: Name }

/** Memory handed to C for the time of the call. */
export type Bytes = Uint8Array | Uint32Array

type CFunction = (...args: never[]) => unknown

const LIBRARIES = {
  'libbpf.so.1': 'Install libbpf 1.x (Debian, Ubuntu: apt-get install libbpf1).',
  'libc.so.6': 'The GNU C library is needed.',
}

type LibraryName = keyof typeof LIBRARIES

const loaded = new Map<LibraryName, ReturnType<typeof koffi.load>>()

function load(name: LibraryName): ReturnType<typeof koffi.load> {
  let library = loaded.get(name)
  if (library === undefined) {
    try {
      library = koffi.load(name)
    } catch (cause) {
      throw new LibbpfError('the library cannot be loaded', {
        code: 'NO_LIBRARY',
        operation: `load ${name}`,
        hint: LIBRARIES[name],
        cause,
      })
    }
    loaded.set(name, library)
  }
  return library
}

/** Looks a function up. Libraries are older or newer than this file: one that is missing has the error of an old library. */
function find(library: LibraryName, prototype: string): (...args: any[]) => any {
  try {
    return load(library).func(prototype)
  } catch (cause) {
    if (cause instanceof LibbpfError) throw cause
    const name = /(\w+)\(/.exec(prototype)?.[1] ?? prototype
    throw new LibbpfError(`the library has no ${name}`, {
      code: 'LIBBPF_TOO_OLD',
      operation: `find ${name} in ${library}`,
      hint: `Install a newer ${library}; the README lists which version has which function.`,
      cause,
    })
  }
}

/** Declares a function that is looked up at its first call: importing this file needs no library. */
function declare<F extends CFunction>(library: LibraryName, prototype: string): F {
  let native: ((...args: any[]) => any) | undefined
  return ((...args: any[]) => (native ??= find(library, prototype))(...args)) as unknown as F
}

const bpf = <F extends CFunction>(prototype: string): F => declare<F>('libbpf.so.1', prototype)
const libc = <F extends CFunction>(prototype: string): F => declare<F>('libc.so.6', prototype)

koffi.struct('bpf_object_open_opts', {
  sz: 'size_t',
  object_name: 'const char *',
  relaxed_maps: 'bool',
  pin_root_path: 'const char *',
  unused: 'uint32_t',
  kconfig: 'const char *',
  btf_custom_path: 'const char *',
})
koffi.struct('bpf_link_create_opts', {
  sz: 'size_t',
  flags: 'uint32_t',
  iter_info: 'void *',
  iter_info_len: 'uint32_t',
  target_btf_id: 'uint32_t',
})
/** bpf_link_create_opts with the member `netfilter` of its union, which libbpf 1.3 added. */
koffi.struct('bpf_netfilter_link_opts', {
  sz: 'size_t',
  flags: 'uint32_t',
  iter_info: 'void *',
  iter_info_len: 'uint32_t',
  target_btf_id: 'uint32_t',
  pf: 'uint32_t',
  hooknum: 'uint32_t',
  priority: 'int32_t',
  netfilter_flags: 'uint32_t',
})
koffi.struct('bpf_test_run_opts', {
  sz: 'size_t',
  data_in: 'void *',
  data_out: 'void *',
  data_size_in: 'uint32_t',
  data_size_out: 'uint32_t',
  ctx_in: 'void *',
  ctx_out: 'void *',
  ctx_size_in: 'uint32_t',
  ctx_size_out: 'uint32_t',
  retval: 'uint32_t',
  repeat: 'int',
  duration: 'uint32_t',
  flags: 'uint32_t',
  cpu: 'uint32_t',
  batch_size: 'uint32_t',
})

koffi.struct('bpf_prog_load_opts', {
  sz: 'size_t',
  attempts: 'int',
  expected_attach_type: 'int',
  prog_btf_fd: 'uint32_t',
  prog_flags: 'uint32_t',
  prog_ifindex: 'uint32_t',
  kern_version: 'uint32_t',
  attach_btf_id: 'uint32_t',
  attach_prog_fd: 'uint32_t',
  attach_btf_obj_fd: 'uint32_t',
  fd_array: 'void *',
  func_info: 'void *',
  func_info_cnt: 'uint32_t',
  func_info_rec_size: 'uint32_t',
  line_info: 'void *',
  line_info_cnt: 'uint32_t',
  line_info_rec_size: 'uint32_t',
  log_level: 'uint32_t',
  log_size: 'uint32_t',
  log_buf: 'void *',
})

/** The `sz` member of an options struct. */
export const sizeofOpts = (
  name:
    | 'bpf_object_open_opts'
    | 'bpf_link_create_opts'
    | 'bpf_netfilter_link_opts'
    | 'bpf_prog_load_opts'
    | 'bpf_test_run_opts',
): number => koffi.sizeof(name)

/** errno of the libc or libbpf call made just before. */
export const errno = (): number => koffi.errno()

/** The address of memory that lives in JavaScript; valid as long as the buffer is reachable. */
export const addressOf = (buffer: Uint8Array): bigint => koffi.address(buffer)

type PrintFunction = (level: number, format: string, vaList: Ptr<'va_list'>) => number
type SampleFunction = (context: null, data: Ptr<'sample'>, size: number | bigint) => number

const printType = koffi.pointer(
  koffi.proto('int libbpf_print_fn(int level, const char *format, void *va_list)'),
)
const sampleType = koffi.pointer(
  koffi.proto('int ring_buffer_sample_fn(void *ctx, void *data, size_t size)'),
)

/** Owned: give back to `unregister`. */
export const registerPrint = (fn: PrintFunction): Ptr<'print_fn'> =>
  koffi.register(fn, printType) as Ptr<'print_fn'>
/** Owned: give back to `unregister`, after the ring buffer is freed. */
export const registerSample = (fn: SampleFunction): Ptr<'sample_fn'> =>
  koffi.register(fn, sampleType) as Ptr<'sample_fn'>
export const unregister = (fn: Ptr<'sample_fn'>): void => koffi.unregister(fn)

/** Calls back when the descriptor is readable, until closed. Does not keep the process alive. */
export function pollReadable(fd: number, callback: () => void): { close(): void } {
  const handle = koffi.node.poll(fd, { readable: true }, callback)
  handle.unref()
  return handle
}

type Fd = number

// --- libbpf: itself
export const libbpf_strerror: (err: number, buf: Bytes, size: number) => number = bpf(
  'int libbpf_strerror(int err, void *buf, size_t size)',
)
/** Keeps `fn` until the next call. */
export const libbpf_set_print: (fn: Ptr<'print_fn'> | null) => unknown = bpf(
  'void *libbpf_set_print(void *fn)',
)
export const libbpf_num_possible_cpus: () => number = bpf('int libbpf_num_possible_cpus()')
export const libbpf_probe_bpf_prog_type: (type: number, opts: null) => number = bpf(
  'int libbpf_probe_bpf_prog_type(int type, void *opts)',
)
export const libbpf_probe_bpf_map_type: (type: number, opts: null) => number = bpf(
  'int libbpf_probe_bpf_map_type(int type, void *opts)',
)

export const libbpf_major_version: () => number = bpf('uint32_t libbpf_major_version()')
export const libbpf_minor_version: () => number = bpf('uint32_t libbpf_minor_version()')

// --- libbpf: objects
/** Owned: bpf_object__close. Copies `image`. */
export const bpf_object__open_mem: (
  image: Bytes,
  size: number,
  opts: { sz: number; object_name: string; btf_custom_path: string | null },
) => Ptr<'bpf_object'> | null = bpf(
  'void *bpf_object__open_mem(void *image, size_t size, bpf_object_open_opts *opts)',
)
export const bpf_object__load: (object: Ptr<'bpf_object'>) => number = bpf(
  'int bpf_object__load(void *object)',
)
/** Frees the object with all its maps and programs. */
export const bpf_object__close: (object: Ptr<'bpf_object'>) => void = bpf(
  'void bpf_object__close(void *object)',
)
/** Borrowed from the object. */
export const bpf_object__btf: (object: Ptr<'bpf_object'>) => Ptr<'btf'> | null = bpf(
  'void *bpf_object__btf(void *object)',
)
/** Borrowed from the object. */
export const bpf_object__find_program_by_name: (
  object: Ptr<'bpf_object'>,
  name: string,
) => Ptr<'bpf_program'> | null = bpf(
  'void *bpf_object__find_program_by_name(void *object, const char *name)',
)
/** Borrowed from the object. */
export const bpf_object__next_program: (
  object: Ptr<'bpf_object'>,
  previous: Ptr<'bpf_program'> | null,
) => Ptr<'bpf_program'> | null = bpf('void *bpf_object__next_program(void *object, void *previous)')
/** Borrowed from the object. */
export const bpf_object__find_map_by_name: (
  object: Ptr<'bpf_object'>,
  name: string,
) => Ptr<'bpf_map'> | null = bpf(
  'void *bpf_object__find_map_by_name(void *object, const char *name)',
)
/** Borrowed from the object. */
export const bpf_object__next_map: (
  object: Ptr<'bpf_object'>,
  previous: Ptr<'bpf_map'> | null,
) => Ptr<'bpf_map'> | null = bpf('void *bpf_object__next_map(void *object, void *previous)')

// --- libbpf: programs of an object
export const bpf_program__name: (program: Ptr<'bpf_program'>) => string = bpf(
  'const char *bpf_program__name(void *program)',
)
export const bpf_program__set_autoload: (program: Ptr<'bpf_program'>, on: boolean) => number = bpf(
  'int bpf_program__set_autoload(void *program, bool on)',
)
/** Borrowed from the object. */
export const bpf_program__fd: (program: Ptr<'bpf_program'>) => Fd = bpf(
  'int bpf_program__fd(void *program)',
)
export const bpf_program__expected_attach_type: (program: Ptr<'bpf_program'>) => number = bpf(
  'int bpf_program__expected_attach_type(void *program)',
)

// --- libbpf: maps of an object
export const bpf_map__name: (map: Ptr<'bpf_map'>) => string = bpf(
  'const char *bpf_map__name(void *map)',
)
/** Borrowed from the object. */
export const bpf_map__fd: (map: Ptr<'bpf_map'>) => Fd = bpf('int bpf_map__fd(void *map)')
/** Duplicates the descriptor. */
export const bpf_map__reuse_fd: (map: Ptr<'bpf_map'>, fd: Fd) => number = bpf(
  'int bpf_map__reuse_fd(void *map, int fd)',
)
export const bpf_map__set_max_entries: (map: Ptr<'bpf_map'>, count: number) => number = bpf(
  'int bpf_map__set_max_entries(void *map, uint32_t count)',
)
export const bpf_map__set_autocreate: (map: Ptr<'bpf_map'>, on: boolean) => number = bpf(
  'int bpf_map__set_autocreate(void *map, bool on)',
)
/** Copies the path. */
export const bpf_map__set_pin_path: (map: Ptr<'bpf_map'>, path: string | null) => number = bpf(
  'int bpf_map__set_pin_path(void *map, const char *path)',
)
/** Borrowed from the object; a mapping of the map itself once the object is loaded. */
export const bpf_map__initial_value: (
  map: Ptr<'bpf_map'>,
  size: BigUint64Array,
) => Ptr<'data'> | null = bpf('void *bpf_map__initial_value(void *map, size_t *size)')

// --- libbpf: descriptors. They return an owned descriptor: close it.
export const bpf_obj_get: (path: string) => Fd = bpf('int bpf_obj_get(const char *path)')
export const bpf_obj_pin: (fd: Fd, path: string) => number = bpf(
  'int bpf_obj_pin(int fd, const char *path)',
)
export const bpf_obj_get_info_by_fd: (fd: Fd, info: Bytes, size: Uint32Array) => number = bpf(
  'int bpf_obj_get_info_by_fd(int fd, void *info, uint32_t *size)',
)
export const bpf_map_create: (
  type: number,
  name: string,
  key: number,
  value: number,
  entries: number,
  opts: null,
) => Fd = bpf(
  'int bpf_map_create(int type, const char *name, uint32_t key, uint32_t value, uint32_t entries, void *opts)',
)
export interface ProgLoadOpts {
  sz: number
  log_level: number
  log_size: number
  log_buf: Uint8Array
}
/** Writes the verifier's words into `log_buf`. */
export const bpf_prog_load: (
  type: number,
  name: string,
  license: string,
  insns: Bytes,
  count: number,
  opts: ProgLoadOpts | null,
) => Fd = bpf(
  'int bpf_prog_load(int type, const char *name, const char *license, void *insns, size_t count, bpf_prog_load_opts *opts)',
)
export interface LinkCreateOpts {
  sz: number
  flags?: number
  iter_info?: Uint8Array
  iter_info_len?: number
  target_btf_id?: number
}
export const bpf_link_create: (
  program: Fd,
  target: Fd,
  attachType: number,
  opts: LinkCreateOpts | null,
) => Fd = bpf(
  'int bpf_link_create(int program, int target, int attach_type, bpf_link_create_opts *opts)',
)
export interface NetfilterLinkOpts {
  sz: number
  pf: number
  hooknum: number
  priority: number
  netfilter_flags: number
}
/** bpf_link_create for BPF_NETFILTER; libbpf 1.3. */
export const bpf_link_create_netfilter: (
  program: Fd,
  target: 0,
  attachType: number,
  opts: NetfilterLinkOpts,
) => Fd = bpf(
  'int bpf_link_create(int program, int target, int attach_type, bpf_netfilter_link_opts *opts)',
)
export const bpf_raw_tracepoint_open: (name: string | null, program: Fd) => Fd = bpf(
  'int bpf_raw_tracepoint_open(const char *name, int program)',
)
export const bpf_iter_create: (link: Fd) => Fd = bpf('int bpf_iter_create(int link)')
export const bpf_link_update: (link: Fd, program: Fd, opts: null) => number = bpf(
  'int bpf_link_update(int link, int program, void *opts)',
)
export const bpf_link_detach: (link: Fd) => number = bpf('int bpf_link_detach(int link)')
export const bpf_prog_attach: (
  program: Fd,
  target: Fd,
  attachType: number,
  flags: number,
) => number = bpf(
  'int bpf_prog_attach(int program, int target, int attach_type, unsigned int flags)',
)
export const bpf_prog_detach2: (program: Fd, target: Fd, attachType: number) => number = bpf(
  'int bpf_prog_detach2(int program, int target, int attach_type)',
)
/** Takes how many ids fit into `count` and writes how many there are, the BPF_F_ALLOW_* of the attachment, and the ids. */
export const bpf_prog_query: (
  target: Fd,
  attachType: number,
  queryFlags: number,
  attachFlags: Uint32Array,
  ids: Uint32Array,
  count: Uint32Array,
) => number = bpf(
  'int bpf_prog_query(int target, int attach_type, uint32_t query_flags, uint32_t *attach_flags, uint32_t *ids, uint32_t *count)',
)
export interface TestRunOpts {
  sz: number
  data_in?: Uint8Array | null
  data_size_in?: number
  ctx_in?: Uint8Array | null
  ctx_size_in?: number
  retval?: number
}
/** Writes `retval` into `opts`. */
export const bpf_prog_test_run_opts: (program: Fd, opts: TestRunOpts) => number = bpf(
  'int bpf_prog_test_run_opts(int program, _Inout_ bpf_test_run_opts *opts)',
)

// --- libbpf: map elements
export const bpf_map_lookup_elem: (map: Fd, key: Bytes, value: Bytes) => number = bpf(
  'int bpf_map_lookup_elem(int map, void *key, void *value)',
)
export const bpf_map_update_elem: (map: Fd, key: Bytes, value: Bytes, flags: number) => number =
  bpf('int bpf_map_update_elem(int map, void *key, void *value, uint64_t flags)')
export const bpf_map_delete_elem: (map: Fd, key: Bytes) => number = bpf(
  'int bpf_map_delete_elem(int map, void *key)',
)
export const bpf_map_get_next_key: (map: Fd, key: Bytes | null, next: Bytes) => number = bpf(
  'int bpf_map_get_next_key(int map, void *key, void *next)',
)

/** Reads from `inBatch` (NULL: the beginning) at most `count` elements; writes their number and where to go on. */
type LookupBatch = (
  map: Fd,
  inBatch: Bytes | null,
  outBatch: Bytes,
  keys: Bytes,
  values: Bytes,
  count: Uint32Array,
  opts: null,
) => number
export const bpf_map_lookup_batch: LookupBatch = bpf(
  'int bpf_map_lookup_batch(int map, void *in_batch, void *out_batch, void *keys, void *values, uint32_t *count, void *opts)',
)
export const bpf_map_lookup_and_delete_batch: LookupBatch = bpf(
  'int bpf_map_lookup_and_delete_batch(int map, void *in_batch, void *out_batch, void *keys, void *values, uint32_t *count, void *opts)',
)
/** Writes how many it has updated into `count`, after an error too. */
export const bpf_map_update_batch: (
  map: Fd,
  keys: Bytes,
  values: Bytes,
  count: Uint32Array,
  opts: null,
) => number = bpf(
  'int bpf_map_update_batch(int map, void *keys, void *values, uint32_t *count, void *opts)',
)
/** Writes how many it has deleted into `count`, after an error too. */
export const bpf_map_delete_batch: (
  map: Fd,
  keys: Bytes,
  count: Uint32Array,
  opts: null,
) => number = bpf('int bpf_map_delete_batch(int map, void *keys, uint32_t *count, void *opts)')

// --- libbpf: struct_ops
/** Owned: bpf_link__destroy. Its descriptor is the map's where the map has no BPF_F_LINK. */
export const bpf_map__attach_struct_ops: (map: Ptr<'bpf_map'>) => Ptr<'bpf_link'> | null = bpf(
  'void *bpf_map__attach_struct_ops(void *map)',
)
/** Borrowed from the link. */
export const bpf_link__fd: (link: Ptr<'bpf_link'>) => Fd = bpf('int bpf_link__fd(void *link)')
/** From now on bpf_link__destroy detaches nothing and closes nothing. */
export const bpf_link__disconnect: (link: Ptr<'bpf_link'>) => void = bpf(
  'void bpf_link__disconnect(void *link)',
)
export const bpf_link__destroy: (link: Ptr<'bpf_link'>) => number = bpf(
  'int bpf_link__destroy(void *link)',
)

// --- libbpf: ring buffer
/** Owned: ring_buffer__free. Keeps `sample` until then. */
export const ring_buffer__new: (
  map: Fd,
  sample: Ptr<'sample_fn'>,
  context: null,
  opts: null,
) => Ptr<'ring_buffer'> | null = bpf(
  'void *ring_buffer__new(int map, void *sample, void *context, void *opts)',
)
export const ring_buffer__free: (ring: Ptr<'ring_buffer'>) => void = bpf(
  'void ring_buffer__free(void *ring)',
)
export const ring_buffer__consume: (ring: Ptr<'ring_buffer'>) => number = bpf(
  'int ring_buffer__consume(void *ring)',
)
/** Borrowed from the ring buffer. */
export const ring_buffer__epoll_fd: (ring: Ptr<'ring_buffer'>) => Fd = bpf(
  'int ring_buffer__epoll_fd(void *ring)',
)

// --- libbpf: BTF
/** Owned: btf__free. */
export const btf__parse: (path: string, ext: null) => Ptr<'btf'> | null = bpf(
  'void *btf__parse(const char *path, void *ext)',
)
/** Owned: btf__free. Copies the data. */
export const btf__new: (data: Uint8Array, size: number) => Ptr<'btf'> | null = bpf(
  'void *btf__new(const void *data, uint32_t size)',
)
export const btf__find_by_name_kind: (btf: Ptr<'btf'>, name: string, kind: number) => number = bpf(
  'int btf__find_by_name_kind(void *btf, const char *name, uint32_t kind)',
)
export const btf__free: (btf: Ptr<'btf'>) => void = bpf('void btf__free(void *btf)')
/** Borrowed from the BTF. */
export const btf__raw_data: (btf: Ptr<'btf'>, size: Uint32Array) => Ptr<'data'> | null = bpf(
  'void *btf__raw_data(void *btf, uint32_t *size)',
)

// --- libbpf: what is loaded
/** `next` takes the id; -ENOENT after the last one. */
export const bpf_prog_get_next_id: (id: number, next: Uint32Array) => number = bpf(
  'int bpf_prog_get_next_id(uint32_t id, uint32_t *next)',
)
/** An owned descriptor. */
export const bpf_prog_get_fd_by_id: (id: number) => Fd = bpf(
  'int bpf_prog_get_fd_by_id(uint32_t id)',
)

export const bpf_btf_get_next_id: (id: number, next: Uint32Array) => number = bpf(
  'int bpf_btf_get_next_id(uint32_t id, uint32_t *next)',
)
/** An owned descriptor. */
export const bpf_btf_get_fd_by_id: (id: number) => Fd = bpf('int bpf_btf_get_fd_by_id(uint32_t id)')

// --- libc
/** Copies from C memory, from nowhere that koffi knows the bounds of: the caller does. */
export const copyFrom: (to: Bytes, from: bigint, size: number) => unknown = libc(
  'void *memcpy(void *to, void *from, size_t size)',
)
/** Copies into C memory. */
export const copyTo: (to: bigint, from: Bytes, size: number) => unknown = libc(
  'void *memcpy(void *to, void *from, size_t size)',
)
/** `vaList` is a va_list as the ABI passes it: consumed by the call. */
export const vsnprintf: (
  to: Bytes,
  size: number,
  format: string,
  vaList: Ptr<'va_list'> | Uint8Array,
) => number = libc('int vsnprintf(void *to, size_t size, const char *format, void *va_list)')
/** 0 and errno when the calling thread's network namespace has no such interface. */
export const if_nametoindex: (name: string) => number = libc(
  'uint32_t if_nametoindex(const char *name)',
)
export const setns: (fd: Fd, type: number) => number = libc('int setns(int fd, int type)')
export const unshare: (flags: number) => number = libc('int unshare(int flags)')
export const fchdir: (fd: Fd) => number = libc('int fchdir(int fd)')
/** An owned descriptor. */
export const socket: (domain: number, type: number, protocol: number) => Fd = libc(
  'int socket(int domain, int type, int protocol)',
)
export const getsockopt: (
  fd: Fd,
  level: number,
  option: number,
  value: Bytes,
  size: Uint32Array,
) => number = libc('int getsockopt(int fd, int level, int option, void *value, uint32_t *size)')
export const setsockopt: (
  fd: Fd,
  level: number,
  option: number,
  value: Bytes,
  size: number,
) => number = libc('int setsockopt(int fd, int level, int option, void *value, uint32_t size)')
export const getsockname: (fd: Fd, address: Bytes, size: Uint32Array) => number = libc(
  'int getsockname(int fd, void *address, uint32_t *size)',
)
export const bind: (fd: Fd, address: Bytes, size: number) => number = libc(
  'int bind(int fd, void *address, uint32_t size)',
)
export const listen: (fd: Fd, backlog: number) => number = libc('int listen(int fd, int backlog)')
export const connect: (fd: Fd, address: Bytes, size: number) => number = libc(
  'int connect(int fd, void *address, uint32_t size)',
)
/** An owned descriptor. */
export const accept4: (fd: Fd, address: null, size: null, flags: number) => Fd = libc(
  'int accept4(int fd, void *address, void *size, int flags)',
)
export const send: (fd: Fd, data: Bytes, size: number, flags: number) => number = libc(
  'long send(int fd, void *data, size_t size, int flags)',
)
export const recv: (fd: Fd, data: Bytes, size: number, flags: number) => number = libc(
  'long recv(int fd, void *data, size_t size, int flags)',
)
export const shutdown: (fd: Fd, how: number) => number = libc('int shutdown(int fd, int how)')
/** `fds` is an array of struct pollfd. */
export const poll: (fds: Bytes, count: number, timeoutMs: number) => number = libc(
  'int poll(void *fds, unsigned long count, int timeout)',
)
/** An owned descriptor. */
export const epoll_create1: (flags: number) => Fd = libc('int epoll_create1(int flags)')
/** `event` is a struct epoll_event. */
export const epoll_ctl: (epoll: Fd, operation: number, fd: Fd, event: Bytes) => number = libc(
  'int epoll_ctl(int epoll, int operation, int fd, void *event)',
)
/** `events` takes `count` of struct epoll_event. */
export const epoll_wait: (epoll: Fd, events: Bytes, count: number, timeoutMs: number) => number =
  libc('int epoll_wait(int epoll, void *events, int count, int timeout)')
/** `fds` takes two owned descriptors: to read from, to write to. */
export const pipe2: (fds: Int32Array, flags: number) => number = libc(
  'int pipe2(int *fds, int flags)',
)
export const splice: (
  from: Fd,
  fromOffset: null,
  to: Fd,
  toOffset: null,
  size: number,
  flags: number,
) => number = libc(
  'long splice(int from, void *from_offset, int to, void *to_offset, size_t size, unsigned int flags)',
)
export const ioctl_pointer: (fd: Fd, request: number, type: 'void *', argument: Bytes) => number =
  libc('int ioctl(int fd, unsigned long request, ...)')
export const mount: (
  source: string,
  target: string,
  type: string,
  flags: number,
  data: null,
) => number = libc(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)',
)
export const memfd_create: (name: string, flags: number) => Fd = libc(
  'int memfd_create(const char *name, unsigned int flags)',
)
export const umount2: (target: string, flags: number) => number = libc(
  'int umount2(const char *target, int flags)',
)
/** fcntl(F_DUPFD_CLOEXEC): an owned descriptor. */
export const fcntl_int: (fd: Fd, command: number, type: 'int', argument: number) => Fd = libc(
  'int fcntl(int fd, int command, ...)',
)
/** syscall(SYS_perf_event_open): an owned descriptor. `attr` is a struct perf_event_attr. */
export const perf_event_open: (
  number: number,
  ...args: ['void *', Uint8Array, 'int', number, 'int', number, 'int', number, 'long', number]
) => Fd = libc('long syscall(long number, ...)')
export const ioctl_int: (fd: Fd, request: number, type: 'int', argument: number) => number = libc(
  'int ioctl(int fd, unsigned long request, ...)',
)

/** Borrows the descriptor; the lock belongs to the open file and ends with it. */
export const flock: (fd: Fd, operation: number) => number = libc('int flock(int fd, int operation)')

/** renameat2(2), Linux 3.15: `directory` is AT_FDCWD for paths relative to the working directory, or absolute. */
export const renameat2: (
  fromDirectory: number,
  from: string,
  toDirectory: number,
  to: string,
  flags: number,
) => number = libc(
  'int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned int flags)',
)
