import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import tap from 'tap'
import {
  BpfObject,
  Btf,
  kernelBtf,
  type LoadedObject,
  type LoadOptions,
  withKernelNumbers,
} from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, openDescriptors } from './fixture.ts'

const SYSFS = '/sys/kernel/btf/vmlinux'

/** All that a change of namespaces could leave behind. Other programs make and end named network namespaces meanwhile. */
const surroundings = (): unknown => [
  readFileSync('/proc/thread-self/mountinfo', 'utf8').replaceAll(/^.* \/run\/netns\/.*\n/gm, ''),
  process.cwd(),
  readFileSync('package.json', 'utf8'),
  openDescriptors(),
]

if (requireRoot(tap)) {
  const cast = compileFixture(tap, 'cast')
  const least = join(dirname(cast), 'least.btf')
  execFileSync('bpftool', ['gen', 'min_core_btf', SYSFS, least, cast])
  const kernel = readFileSync(SYSFS)

  const load = (btf: Uint8Array | undefined, options?: LoadOptions): LoadedObject => {
    using open = BpfObject.open(cast, btf === undefined ? {} : { btf })
    return open.load(options)
  }
  const tagOf = (btf: Uint8Array | undefined, options?: LoadOptions): string => {
    using object = load(btf, options)
    return object.program('cast').info().tag
  }
  void tap.test("the kernel's BTF without its file", async (t) => {
    const before = surroundings()
    const found = kernelBtf()
    t.ok(found && kernel.equals(found), 'byte for byte')
    t.strictSame(surroundings(), before)
  })

  void tap.test('libbpf takes the BTF that it is shown, and nothing else changes', async (t) => {
    const before = surroundings()
    t.equal(tagOf(undefined, { kernelBtf: kernel }), tagOf(undefined))
    t.strictSame(surroundings(), before)
    // A BTF that lacks what the program is attached to.
    const other = readFileSync(least)
    t.throws(() => load(undefined, { kernelBtf: other }), { message: /extern \(func ksym\)/ })
    t.strictSame(surroundings(), before, 'after a failure, too')
  })

  void tap.test('a minimal BTF with the numbers of the kernel', async (t) => {
    t.throws(() => load(readFileSync(least)), { message: /bpf_rdonly_cast/ }, 'its own are others')
    const numbered = withKernelNumbers(Btf.fromFile(least), new Btf(kernel))
    t.equal(tagOf(numbered), tagOf(undefined), 'the same program')
    t.equal(tagOf(numbered, { kernelBtf: kernel }), tagOf(undefined))
    const [found, own] = [new Btf(numbered), new Btf(kernel)]
    t.equal(found.find('struct', 'task_struct'), own.find('struct', 'task_struct'))
    t.match(own.structLayout('task_struct').members, found.structLayout('task_struct').members)
  })

  void tap.test('the whole BTF', async (t) => {
    t.ok(kernel.equals(withKernelNumbers(new Btf(kernel), new Btf(kernel))), 'stays as it is')
    // Two more bytes behind the names change no type.
    const longer = Buffer.concat([kernel, kernel.subarray(-2)])
    longer.writeUInt32LE(longer.readUInt32LE(20) + 2, 20)
    t.equal(tagOf(withKernelNumbers(new Btf(longer), new Btf(kernel))), tagOf(undefined))
  })

  void tap.test('a BTF of another kernel', async (t) => {
    const own = new Btf(readFileSync(least))
    const raw = readFileSync(least)
    // struct btf_type of task_struct: name, info, size.
    const type = Buffer.from(own.rawType(own.find('struct', 'task_struct')))
    const at = raw.indexOf(type)
    raw.writeUInt32LE(raw.readUInt32LE(at + 8) + 8, at + 8)
    t.throws(() => withKernelNumbers(new Btf(raw), new Btf(kernel)), {
      code: 'BTF_OF_ANOTHER_KERNEL',
      message: /the kernel has another struct task_struct/,
    })
    const moved = readFileSync(least)
    // struct btf_member: name, type, offset in bits.
    moved.writeUInt32LE(moved.readUInt32LE(at + 20) + 64, at + 20)
    t.throws(() => withKernelNumbers(new Btf(moved), new Btf(kernel)), {
      code: 'BTF_OF_ANOTHER_KERNEL',
    })
  })
}
