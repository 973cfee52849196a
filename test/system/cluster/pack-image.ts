import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export interface Image {
  /** In full, as runtimes keep it: `ghcr.io/meshaccel/meshaccel:0.1.0`. */
  readonly name: string
  readonly entrypoint: readonly string[]
  readonly path: string
  /** The directory that becomes its file system. */
  readonly root: string
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** Packs a directory as an OCI image archive, which every runtime imports. Needs no daemon. */
export async function packImage(
  { name, entrypoint, path, root }: Image,
  out: string,
): Promise<void> {
  const layout = mkdtempSync(join(tmpdir(), 'image-layout-'))
  try {
    const blobs = join(layout, 'blobs/sha256')
    mkdirSync(blobs, { recursive: true })
    const layerFile = join(layout, 'layer')
    const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
    execFileSync('tar', [...same, '-C', root, '-cf', layerFile, '.'])
    const hash = createHash('sha256')
    await pipeline(createReadStream(layerFile), hash)
    const sum = hash.digest('hex')
    renameSync(layerFile, join(blobs, sum))

    const platform = { architecture: architectures[process.arch], os: 'linux' }
    const layer = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: `sha256:${sum}`,
      size: statSync(join(blobs, sum)).size,
    }
    const add = (kind: string, content: object): typeof layer => {
      const text = JSON.stringify(content)
      const digest = createHash('sha256').update(text).digest('hex')
      writeFileSync(join(blobs, digest), text)
      const mediaType = `application/vnd.oci.image.${kind}.v1+json`
      return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) }
    }
    const config = add('config', {
      ...platform,
      config: { Entrypoint: entrypoint, Env: [`PATH=${path}`] },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    })
    const manifest = add('manifest', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config,
      layers: [layer],
    })
    const annotations = { 'io.containerd.image.name': name }
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    writeFileSync(
      join(layout, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, platform, annotations }] }),
    )
    execFileSync('tar', ['-C', layout, '-cf', out, 'oci-layout', 'index.json', 'blobs'])
  } finally {
    rmSync(layout, { recursive: true })
  }
}
