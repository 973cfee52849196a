import { release } from 'node:os'
import tap from 'tap'
import {
  hasHelper,
  hasKernelBtf,
  hasMapType,
  hasProgramType,
  hasSockmapLink,
  kernelFunctions,
  kernelTracepoints,
} from '../src/index.ts'
import { requireRoot } from './requirements.ts'

const BPF_FUNC_map_lookup_elem = 1
const BPF_FUNC_msg_redirect_hash = 71

/** Whether the running kernel is at least this one: there a probe must say yes. */
function kernelAtLeast(major: number, minor: number): boolean {
  const [runningMajor = 0, runningMinor = 0] = release().split('.').map(Number)
  return runningMajor > major || (runningMajor === major && runningMinor >= minor)
}

if (requireRoot(tap)) {
  void tap.test('what kernels since 5.15 have is found', async (t) => {
    t.ok(hasKernelBtf())
    t.ok(hasProgramType('SK_MSG'))
    t.ok(hasProgramType('SOCK_OPS'))
    t.ok(hasMapType('SOCKHASH'))
    t.ok(hasMapType('SK_STORAGE'))
    t.ok(hasMapType('RINGBUF'))
    t.ok(hasHelper('SK_MSG', BPF_FUNC_map_lookup_elem))
    t.ok(hasHelper('SK_MSG', BPF_FUNC_msg_redirect_hash))
    t.notOk(hasHelper('SOCKET_FILTER', BPF_FUNC_msg_redirect_hash), 'and what none has is not')
  })

  void tap.test('what the BTF of the kernel describes', async (t) => {
    t.same([...kernelFunctions(['inet_recvmsg', 'no_such_function'])], ['inet_recvmsg'])
    t.same([...kernelTracepoints(['inet_sock_set_state', 'no_such'])], ['inet_sock_set_state'])
    t.same([...kernelTracepoints(['inet_recvmsg'])], [], 'a function is no tracepoint')
  })

  void tap.test('links to sockmaps', async (t) => {
    t.equal(hasSockmapLink(), kernelAtLeast(6, 10))
  })
}
