/** What Vite adds to imports, and what preload puts on the window. */
declare module '*.module.css' {
  const classes: Record<string, string>
  export default classes
}
declare module '*.css'
declare module '@fontsource-variable/ibm-plex-sans/wght.css'
declare module '@fontsource/ibm-plex-mono/400.css'
