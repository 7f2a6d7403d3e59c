import { Boxes, Play } from 'lucide-react'
import { useState } from 'react'
import { useLocation } from 'wouter'
import type { Model } from '../../electron/contract/model.ts'
import { HelpNote } from '../help/help-note.tsx'
import { useWords } from '../i18n/index.ts'
import { rpc, useApp } from '../state/connection.ts'
import { changeDeployForm, chosenRanks, defaultChosen, planRequestOf, useDeployForm } from '../state/deploy-form.ts'
import type { ChosenRank } from '../state/deploy-form.ts'
import { showProblem } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import { Field, Segments, Select, TextField } from '../ui/field.tsx'
import { Badge, Card, Empty, LinkButton, Page, ProblemBox, Section } from '../ui/pieces.tsx'
import { ChooseDevices } from './choose-devices.tsx'
import styles from './deploy.module.css'
import { DeploymentCard } from './deployment-card.tsx'
import { PlanView } from './plan-view.tsx'
import { usePlan } from './use-plan.ts'

/** Choose, see the plan, start. */
export function DeployScreen() {
  const { t } = useWords()
  const models = useApp((s) => s.models)
  const deployments = useApp((s) => s.deployments)
  return (
    <Page title={t.screens.deploy} lead={t.deploy.lead} testId="deploy">
      {deployments.length > 0 && (
        <Section title={t.deploy.existing}>
          <ul className={styles.cards}>
            {deployments.map((d) => (
              <li key={d.id}>
                <DeploymentCard deployment={d} />
              </li>
            ))}
          </ul>
        </Section>
      )}
      {models.length === 0 ? (
        <Empty icon={<Boxes />} title={t.deploy.noModelsTitle} text={t.deploy.noModelsText}>
          <LinkButton href="/models">{t.models.add}</LinkButton>
        </Empty>
      ) : (
        <NewDeployment models={models} />
      )}
    </Page>
  )
}

function NewDeployment({ models }: { models: readonly Model[] }) {
  const { t, f } = useWords()
  const [, go] = useLocation()
  const machines = useApp((s) => s.machines)
  const form = useDeployForm()
  const guide = useApp((s) => s.guide)
  const model = models.find((m) => m.id === form.model) ?? models[0]!
  const defaultName = model.id === guide?.modelId ? guide.name : model.name
  const chosen = form.chosen ?? defaultChosen(machines)
  const ranks = chosenRanks(chosen, machines)
  const request = planRequestOf(form, model.id, ranks)
  const { plan, problem, planning } = usePlan(request)
  const [starting, setStarting] = useState(false)
  const name = form.name.trim() || defaultName
  const taken = useApp((s) =>
    s.deployments.some((d) => d.name === name && !d.onDemand && (d.state === 'loading' || d.state === 'serving')),
  )
  const blockedBy = starting
    ? t.deploy.starting
    : ranks.length === 0
      ? t.deploy.noDevices
      : taken
        ? t.deploy.nameTaken(name)
        : problem
          ? problem.message
          : !plan
            ? t.deploy.planning
            : !plan.fits
              ? t.deploy.doesNotFit(f.bytes(plan.shortBy))
              : ''

  const start = async (): Promise<void> => {
    if (!request) return
    setStarting(true)
    try {
      const started = await rpc.call('deployment.start', {
        ...request,
        ...(form.name.trim() ? { name: form.name.trim() } : {}),
      })
      changeDeployForm({ name: '' })
      go(`/deploy/${encodeURIComponent(started.name)}`)
    } catch (error) {
      showProblem(error)
    } finally {
      setStarting(false)
    }
  }

  return (
    <Section title={t.deploy.newTitle}>
      <div className={styles.columns}>
        <form
          className={styles.form}
          onSubmit={(event) => {
            event.preventDefault()
            if (!blockedBy) void start()
          }}
        >
          <Field
            label={t.deploy.model}
            hint={model.id === guide?.modelId ? t.models.guidePurpose : model.purpose || undefined}
          >
            {({ id }) => (
              <Select
                id={id}
                label={t.deploy.model}
                value={model.id}
                onValue={(v) => changeDeployForm({ model: v, context: null })}
                choices={models.map((m) => ({
                  value: m.id,
                  label: m.name,
                  note: `${f.parameters(m.parameters)} · ${f.bytes(m.bytes)} · ${m.family}`,
                }))}
              />
            )}
          </Field>
          <fieldset className={styles.group}>
            <legend>{t.deploy.devices}</legend>
            <ChooseDevices machines={machines} chosen={chosen} />
          </fieldset>
          {ranks.length > 1 && <Shares ranks={ranks} planned={plan?.ranks.map((r) => r.share) ?? []} />}
          <div className={styles.pair}>
            <TextField
              label={t.deploy.context}
              type="number"
              min={16}
              max={model.context}
              step={1}
              value={form.context === null ? '' : String(form.context)}
              placeholder={t.deploy.automatic}
              hint={t.deploy.contextHint(f.number(model.context))}
              onValue={(v) => changeDeployForm({ context: v === '' ? null : Math.max(1, Math.floor(Number(v))) })}
            />
            <TextField
              label={t.deploy.parallel}
              type="number"
              min={1}
              max={256}
              step={1}
              value={form.maxSequences === null ? '' : String(form.maxSequences)}
              placeholder={t.deploy.automatic}
              hint={t.deploy.parallelHint}
              onValue={(v) => changeDeployForm({ maxSequences: v === '' ? null : Math.max(1, Math.floor(Number(v))) })}
            />
          </div>
          <div className={styles.pair}>
            <Field label={t.deploy.weights} hint={t.deploy.weightsHint(model.dtype)}>
              {({ id }) => (
                <Select
                  id={id}
                  label={t.deploy.weights}
                  value={form.weights ?? 'stored'}
                  onValue={(v) => changeDeployForm({ weights: v === 'stored' ? null : v })}
                  choices={(['stored', 'f32', 'bf16', 'int8', 'int4'] as const).map((value) => ({
                    value,
                    label: t.deploy.weightNames[value],
                  }))}
                />
              )}
            </Field>
            <Field label={t.deploy.kv} hint={t.deploy.kvHint}>
              {({ id }) => (
                <Select
                  id={id}
                  label={t.deploy.kv}
                  value={form.kvDtype ?? 'automatic'}
                  onValue={(v) => changeDeployForm({ kvDtype: v === 'automatic' ? null : v })}
                  choices={[
                    { value: 'automatic', label: t.deploy.automatic },
                    ...(['f32', 'bf16', 'int8'] as const).map((value) => ({ value, label: t.deploy.kvNames[value] })),
                  ]}
                />
              )}
            </Field>
          </div>
          <HelpNote about="weights" />
          <TextField
            label={t.deploy.servedName}
            value={form.name}
            onValue={(v) => changeDeployForm({ name: v })}
            placeholder={defaultName}
            maxLength={128}
            hint={t.deploy.servedNameHint}
          />
          <Button look="primary" type="submit" icon={<Play />} blockedBy={blockedBy} data-testid="start-deployment">
            {t.deploy.start}
          </Button>
          {blockedBy && !starting && plan && <p className={styles.soft}>{blockedBy}</p>}
        </form>
        <Card className={styles.planCard} aria-label={t.deploy.plan}>
          <div className={styles.planHead}>
            <h3>{t.deploy.plan}</h3>
            <span role="status">{planning && <Badge tone="busy">{t.deploy.planning}</Badge>}</span>
          </div>
          {ranks.length === 0 && <p className={styles.soft}>{t.deploy.noDevices}</p>}
          {problem && <ProblemBox problem={problem} />}
          {plan && ranks.length > 0 && <PlanView plan={plan} />}
          <HelpNote about={ranks.length > 1 ? 'slower' : 'deploy'} />
        </Card>
      </div>
    </Section>
  )
}

/** Which rank does how much: measured by default, by hand when wanted. */
function Shares({ ranks, planned }: { ranks: readonly ChosenRank[]; planned: readonly number[] }) {
  const { t, f } = useWords()
  const shares = useDeployForm((s) => s.shares)
  const total = shares?.reduce((a, b) => a + b, 0) ?? 1
  const byHand = (): number[] =>
    planned.length === ranks.length ? planned.map((p) => Math.max(1, Math.round(p * 100))) : ranks.map(() => 1)
  return (
    <fieldset className={styles.group}>
      <legend>{t.deploy.shares}</legend>
      <Segments
        label={t.deploy.shares}
        value={shares ? 'hand' : 'auto'}
        choices={[
          { value: 'auto', label: t.deploy.sharesAuto },
          { value: 'hand', label: t.deploy.sharesHand },
        ]}
        onValue={(v) => changeDeployForm({ shares: v === 'auto' ? null : byHand() })}
      />
      {!shares && <p className={styles.soft}>{t.deploy.sharesAutoHint}</p>}
      <HelpNote about="shares" />
      {shares &&
        ranks.map((rank, i) => {
          const label = `${t.deploy.rank(i)} ${rank.machineName} ${rank.kind === 'cpu' ? t.memory.cpu : t.memory.gpu(rank.index)}`
          const change = (v: number): void => changeDeployForm({ shares: shares.with(i, Math.max(0, v)) })
          return (
            <div key={label} className={styles.share}>
              <span>{label}</span>
              <input
                type="range"
                min={0}
                max={100}
                value={shares[i] ?? 0}
                onChange={(e) => change(Number(e.target.value))}
                aria-label={label}
              />
              <input
                type="number"
                min={0}
                step="any"
                value={shares[i] ?? 0}
                onChange={(e) => change(Number(e.target.value))}
                aria-label={t.deploy.shareNumber(label)}
              />
              <output>{f.percent((shares[i] ?? 0) / Math.max(total, 1e-9))}</output>
            </div>
          )
        })}
    </fieldset>
  )
}
