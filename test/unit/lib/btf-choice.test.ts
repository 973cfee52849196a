import { test } from 'tap'
import { chooseBtf, btfFile, btfFolders, wordsOfBtf } from '../../../src/lib/btf-choice.ts'

const target = { machine: 'x86_64', release: '6.1.0' }
const [host = '', image = ''] = btfFolders

void test('where the types come from', async (t) => {
  const choose = (given: string | undefined, files: readonly string[], visible = false): string => {
    const choice = chooseBtf(given, {
      ...target,
      kind: (path) => (path === '/folder' ? 'folder' : files.includes(path) ? 'file' : undefined),
      isKernelFileVisible: () => visible,
    })
    return `${choice.from} ${wordsOfBtf(choice)}`
  }
  const all = ['/a.btf', btfFile(host, target), btfFile(image, target), btfFile('/folder', target)]
  t.equal(choose(undefined, all, true), 'sysfs /sys/kernel/btf/vmlinux', "the kernel's file first")
  t.equal(choose(undefined, all), 'file /var/lib/meshaccel/btf/x86_64/6.1.0.btf')
  t.equal(choose(undefined, [btfFile(image, target)]), `file ${image}/x86_64/6.1.0.btf`)
  t.equal(choose(undefined, []), "kernel the kernel's memory")
  t.equal(choose('/a.btf', all, true), 'file /a.btf', 'unless another is named')
  t.equal(choose('/folder', all, true), 'file /folder/x86_64/6.1.0.btf')
  t.equal(choose('/folder', [], true), 'missing /folder/x86_64/6.1.0.btf')
  t.equal(choose('/b.btf', all, true), 'missing /b.btf')
})
