import tap from 'tap'
import { loadError, usefulVerifierLine } from '../src/error.ts'
import { BpfError, errnoName, LibbpfError, VerifierError } from '../src/index.ts'

void tap.test('an errno has its name, its text and a hint', async (t) => {
  const error = new BpfError('attach sk_msg to sockhash', 22)
  t.ok(error instanceof LibbpfError)
  t.equal(error.message, 'attach sk_msg to sockhash: EINVAL: Invalid argument')
  t.equal(error.code, 'EINVAL')
  t.equal(error.errno, 22)
  t.equal(error.retryable, false)
  t.match(new BpfError('load', 1).hint, /CAP_BPF/)
  t.equal(new BpfError('read', 11).code, 'EAGAIN', 'not EWOULDBLOCK')
  t.ok(new BpfError('read', 11).retryable)
  t.equal(new BpfError('x', 22, { hint: 'Do y.' }).hint, 'Do y.')
})

void tap.test('errno values that only the kernel and libbpf use', async (t) => {
  const error = new BpfError('attach', 524)
  t.equal(error.message, 'attach: ENOTSUPP: Operation is not supported')
  t.match(error.hint, /does not support the operation/)
  t.equal(new BpfError('open', 4001).message, 'open: FORMAT: BPF object format invalid')
  t.equal(errnoName(95), 'EOPNOTSUPP')
  t.equal(errnoName(3999), 'ERRNO_3999')
})

void tap.test('the useful line of a verifier log', async (t) => {
  t.equal(
    usefulVerifierLine('0: r1\nR2 invalid mem access\n\nprocessed 3 insns (limit 1000000)\n'),
    'R2 invalid mem access',
  )
  t.equal(
    usefulVerifierLine('bad\nverification time 9 usec\nstack depth 4\nprocessed 3 insns x\n'),
    'bad',
  )
  t.equal(usefulVerifierLine('cut short'), 'cut short')
  t.equal(usefulVerifierLine(''), '')
})

void tap.test('a failed load without a verifier log says what libbpf said last', async (t) => {
  const error = loadError('load object x', 2, 'libbpf: first\nlibbpf: map y: no such thing')
  t.notOk(error instanceof VerifierError)
  t.equal(error.message, 'load object x: ENOENT: No such file or directory: map y: no such thing')
})
