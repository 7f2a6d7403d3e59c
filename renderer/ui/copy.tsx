import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useWords } from '../i18n/index.ts'
import { Button, IconButton } from './button.tsx'

/** Copies text; over plain http on a LAN address there is no clipboard API, so the older way stands in. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.style.position = 'fixed'
    area.style.opacity = '0'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

export function CopyButton({ text, label, withText = false }: { text: string; label?: string; withText?: boolean }) {
  const { t } = useWords()
  const [result, setResult] = useState<'idle' | 'done' | 'failed'>('idle')
  useEffect(() => {
    if (result === 'idle') return
    const timer = setTimeout(() => setResult('idle'), 1600)
    return () => clearTimeout(timer)
  }, [result])
  const name =
    result === 'done' ? t.common.copied : result === 'failed' ? t.common.copyFailed : (label ?? t.common.copy)
  const icon = result === 'done' ? <Check /> : <Copy />
  const copy = (): void => void copyText(text).then((ok) => setResult(ok ? 'done' : 'failed'))
  return withText ? (
    <Button size="small" icon={icon} onClick={copy}>
      {name}
    </Button>
  ) : (
    <IconButton label={name} onClick={copy}>
      {icon}
    </IconButton>
  )
}
