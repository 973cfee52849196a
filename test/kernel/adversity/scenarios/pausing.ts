/** A reader that pauses while its sender fills the receive buffer: bytes that go by TCP find room in it. */
import { ask } from '../ask.ts'
import { type Answer, deadline, goOnAndLeave, joinAll, READER_MS } from '../both-ends.ts'
import type { Scenario } from '../scenario.ts'

/** The smallest SO_RCVBUF with which a connection joins. */
const BUFFER = 128 * 1024
/** The largest receive buffer that the kernel gives to others in the pod: less than the cap. */
const LARGEST = 1024 * 1024
const SIZES = [1000, 65_536]
/** In about one of ten runs the last segment finds no room: docs/LIMITS.md. By TCP alone it always does. */
const REFUSED_AT_TIMES = 1

export const pausingReader: Scenario = {
  name: 'what goes by TCP to a reader that pauses finds room beside redirected bytes',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    const [pod] = scene.mesh.pods
    pod?.exec('sysctl', '-qw', `net.ipv4.tcp_rmem=4096 131072 ${LARGEST}`)
    await using ends = scene.mesh.pod(0).run<Answer>('pausing')
    await ask(ends, `buffer ${BUFFER}`)
    for (const size of SIZES) {
      await joinAll(agent, ends, 2)
      const { value: bytes } = await ask(ends, `fill ${size}`)
      const { value: left } = await ask(ends, `accepted ${deadline(READER_MS)}`)
      scene.say(`${bytes} bytes in messages of ${size}, ${left} segments found no room`)
      scene.check(
        `messages of ${size}: each segment is accepted`,
        left <= REFUSED_AT_TIMES,
        `all but ${left}`,
      )
      await ask(ends, 'settle 60000')
    }
    await goOnAndLeave(scene, agent, ends)
  },
}
