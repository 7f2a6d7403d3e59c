import { Select as Radix } from 'radix-ui'
import { Check, ChevronDown } from 'lucide-react'
import type { InputHTMLAttributes, ReactNode } from 'react'
import { useId } from 'react'
import styles from './field.module.css'

/** A label, its control and one sentence about it. */
export function Field({
  label,
  hint,
  children,
}: {
  label: string
  hint?: ReactNode
  children: (ids: { id: string; describedBy: string | undefined }) => ReactNode
}) {
  const id = useId()
  const hintId = `${id}-hint`
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
      </label>
      {children({ id, describedBy: hint ? hintId : undefined })}
      {hint && (
        <p id={hintId} className={styles.hint}>
          {hint}
        </p>
      )}
    </div>
  )
}

export interface TextFieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, 'onChange' | 'value'> {
  label: string
  hint?: ReactNode
  value: string
  onValue(value: string): void
  mono?: boolean
}

export function TextField({ label, hint, value, onValue, mono, ...rest }: TextFieldProps) {
  return (
    <Field label={label} hint={hint}>
      {({ id, describedBy }) => (
        <input
          {...rest}
          id={id}
          aria-describedby={describedBy}
          value={value}
          autoComplete={rest.autoComplete ?? 'off'}
          spellCheck={false}
          className={`${styles.input} ${mono ? styles.mono : ''}`}
          onChange={(event) => onValue(event.target.value)}
        />
      )}
    </Field>
  )
}

export interface Choice<T extends string> {
  value: T
  label: string
  note?: string
}

export interface SelectProps<T extends string> {
  label: string
  value: T | null
  choices: readonly Choice<T>[]
  onValue(value: T): void
  placeholder?: string
  id?: string
  quiet?: boolean
}

/** A drop-down list; `label` is its accessible name. */
export function Select<T extends string>({ label, value, choices, onValue, placeholder, id, quiet }: SelectProps<T>) {
  return (
    <Radix.Root
      value={value ?? ''}
      onValueChange={(next) => {
        const choice = choices.find((c) => c.value === next)
        if (choice) onValue(choice.value)
      }}
    >
      <Radix.Trigger id={id} aria-label={label} className={`${styles.select} ${quiet ? styles.selectQuiet : ''}`}>
        <Radix.Value placeholder={placeholder} />
        <Radix.Icon className={styles.chevron}>
          <ChevronDown />
        </Radix.Icon>
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className={styles.list} position="popper" sideOffset={4} collisionPadding={8}>
          <Radix.Viewport>
            {choices.map((choice) => (
              <Radix.Item key={choice.value} value={choice.value} className={styles.item}>
                <Radix.ItemIndicator className={styles.tick}>
                  <Check />
                </Radix.ItemIndicator>
                <span>
                  <Radix.ItemText>{choice.label}</Radix.ItemText>
                  {choice.note && <small className={styles.note}>{choice.note}</small>}
                </span>
              </Radix.Item>
            ))}
          </Radix.Viewport>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

/** A few choices side by side. */
export function Segments<T extends string>({
  label,
  value,
  choices,
  onValue,
}: {
  label: string
  value: T
  choices: readonly Choice<T>[]
  onValue(value: T): void
}) {
  const name = useId()
  return (
    <fieldset className={styles.segments}>
      <legend className="visually-hidden">{label}</legend>
      {choices.map((choice) => (
        <label key={choice.value} className={styles.segment} data-on={choice.value === value || undefined}>
          <input
            type="radio"
            name={name}
            className="visually-hidden"
            checked={choice.value === value}
            onChange={() => onValue(choice.value)}
          />
          {choice.label}
        </label>
      ))}
    </fieldset>
  )
}
