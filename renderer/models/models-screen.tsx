import { Boxes, FolderPlus } from 'lucide-react'
import { useState } from 'react'
import { useLocation } from 'wouter'
import { problemOf } from '../../electron/contract/errors.ts'
import type { Problem } from '../../electron/contract/errors.ts'
import type { Model } from '../../electron/contract/model.ts'
import { changeDeployForm } from '../state/deploy-form.ts'
import { HelpNote } from '../help/help-note.tsx'
import { useWords } from '../i18n/index.ts'
import { rpc, useApp } from '../state/connection.ts'
import { attempt } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import { Confirm, DialogFoot, Panel } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Badge, Card, Empty, Facts, Page, ProblemBox, Section } from '../ui/pieces.tsx'
import { JobCard } from '../ui/shell/job-tray.tsx'
import styles from './models.module.css'

/** The library on this computer. */
export function ModelsScreen() {
  const { t } = useWords()
  const models = useApp((s) => s.models)
  const guide = useApp((s) => s.guide)
  const own = models.filter((m) => m.id !== guide?.modelId)
  const jobs = useApp((s) => s.jobs).filter((j) => j.kind === 'add-model' && j.state === 'running')
  const [adding, setAdding] = useState(false)
  const addButton = (
    <Button look="primary" icon={<FolderPlus />} onClick={() => setAdding(true)} data-testid="add-model">
      {t.models.add}
    </Button>
  )
  return (
    <Page title={t.screens.models} lead={t.models.lead} actions={own.length > 0 && addButton} testId="models">
      {jobs.length > 0 && (
        <Section title={t.models.inProgress}>
          {jobs.map((job) => (
            <Card key={job.id}>
              <JobCard job={job} />
            </Card>
          ))}
        </Section>
      )}
      {own.length === 0 && (
        <Empty
          icon={<Boxes />}
          title={models.length === 0 ? t.models.emptyTitle : t.models.ownTitle}
          text={t.models.emptyText}
        >
          {addButton}
        </Empty>
      )}
      {models.length > 0 && (
        <ul className={styles.list}>
          {models.map((m) => (
            <li key={m.id}>
              <ModelRow model={m} />
            </li>
          ))}
        </ul>
      )}
      <HelpNote about="models" />
      {guide?.use === 'removed' && (
        <p className={styles.removed} data-testid="guide-removed">
          {t.models.guideRemoved(guide.modelName)}{' '}
          <Button
            size="small"
            onClick={() => attempt(() => rpc.call('model.add', { source: guide.modelId }))}
            data-testid="guide-back"
          >
            {t.models.guideBack}
          </Button>
        </p>
      )}
      {adding && <AddModel onClose={() => setAdding(false)} />}
    </Page>
  )
}

function ModelRow({ model }: { model: Model }) {
  const { t, f } = useWords()
  const [, go] = useLocation()
  const [removing, setRemoving] = useState(false)
  const guide = useApp((s) => s.guide)
  const isGuide = model.id === guide?.modelId
  const used = useApp((s) => s.deployments).filter(
    (d) => d.modelId === model.id && d.state !== 'stopped' && d.state !== 'failed',
  )
  // One that only answers on demand ends with the removal.
  const inUse = used.filter((d) => !d.onDemand)
  return (
    <Card className={styles.model} aria-label={model.name} data-testid="model-row">
      <div className={styles.head}>
        <div>
          <h2>
            {model.name} {isGuide && <Badge tone="quiet">{t.models.builtIn}</Badge>}
            {used.map((d) => (
              <Badge key={d.id} tone={d.state === 'serving' ? 'ok' : 'busy'}>
                {t.models.servedAs(d.name)}
              </Badge>
            ))}
          </h2>
          <p className={styles.purpose}>{isGuide ? t.models.guidePurpose : model.purpose || t.models.noPurpose}</p>
        </div>
        <div className={styles.actions}>
          <Button
            onClick={() => {
              changeDeployForm({ model: model.id })
              go('/deploy')
            }}
            data-testid="deploy-model"
          >
            {t.models.deploy}
          </Button>
          <Button
            look="danger"
            blockedBy={inUse.length > 0 ? t.models.removeBusy(inUse.map((d) => d.name).join(', ')) : ''}
            onClick={() => setRemoving(true)}
          >
            {t.models.remove}
          </Button>
        </div>
      </div>
      <ul className={styles.figures}>
        <li>
          <span>{t.models.family}</span> {model.family}
        </li>
        <li>
          <span>{t.models.parameters}</span> {f.parameters(model.parameters)}
        </li>
        <li>
          <span>{t.models.size}</span> {f.bytes(model.bytes)} · {model.dtype}
        </li>
        <li>
          <span>{t.models.context}</span> {t.units.tokens(f.number(model.context))}
        </li>
      </ul>
      <details className={styles.details}>
        <summary>{t.models.details}</summary>
        <Facts
          rows={[
            [t.models.architecture, model.architecture],
            [t.models.layers, f.number(model.layers)],
            [t.models.hidden, f.number(model.hidden)],
            [t.models.heads, t.models.headsText(model.heads, model.kvHeads, model.headDim)],
            [t.models.vocab, f.number(model.vocab)],
            [t.models.tokenizer, model.tokenizer],
            [t.models.template, model.hasTemplate ? t.models.templateOwn : t.models.templateDefault],
            [t.models.path, <code key="path">{model.path}</code>],
            [t.models.added, f.dateTime(model.addedAt)],
          ]}
        />
      </details>
      <Confirm
        open={removing}
        onClose={() => setRemoving(false)}
        title={t.models.removeTitle(model.name)}
        text={isGuide ? t.models.guideRemoveText : t.models.removeText(model.path)}
        action={t.models.remove}
        onConfirm={() => attempt(() => rpc.call('model.remove', { name: model.name }))}
      />
    </Card>
  )
}

function AddModel({ onClose }: { onClose(): void }) {
  const { t } = useWords()
  const [source, setSource] = useState('')
  const [name, setName] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem | null>(null)
  const add = async (): Promise<void> => {
    setBusy(true)
    setProblem(null)
    try {
      await rpc.call('model.add', { source: source.trim(), ...(name.trim() ? { name: name.trim() } : {}) })
      onClose()
    } catch (error) {
      setProblem(problemOf(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Panel open onClose={onClose} title={t.models.add} description={t.models.addText}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          if (source.trim() !== '' && !busy) void add()
        }}
      >
        <TextField
          label={t.models.folder}
          value={source}
          onValue={setSource}
          mono
          autoFocus
          placeholder={t.models.folderPlaceholder}
          hint={t.models.folderHint}
          name="source"
        />
        <TextField label={t.models.nameHere} value={name} onValue={setName} hint={t.models.nameHint} name="name" />
        <HelpNote about="addModel" />
        {problem && (
          <div role="alert" data-testid="form-problem">
            <ProblemBox problem={problem} />
          </div>
        )}
        <DialogFoot>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button
            look="primary"
            type="submit"
            blockedBy={source.trim() === '' ? t.models.needFolder : busy ? t.models.reading : ''}
            data-testid="add-model-submit"
          >
            {busy ? t.models.reading : t.models.addAction}
          </Button>
        </DialogFoot>
      </form>
    </Panel>
  )
}
