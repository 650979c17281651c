{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* What every pod of the chart has: no token, no service links, the user of the images. */ -}}
{{- define "flk.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "flk.container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- /* Where the JVM and Netty put files for as long as they run. */ -}}
{{- define "flk.tmp" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end -}}

{{- /* Where to run; takes the values of backend or agent. */ -}}
{{- define "flk.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The lines of a properties file; a backslash is written twice. */ -}}
{{- define "flk.properties" -}}
{{- range $name, $value := . -}}
{{ $name }}={{ $value | replace "\\" "\\\\" }}
{{ end -}}
{{- end -}}

{{- /* What a client of the backends trusts and shows, as sources of a projected volume. */ -}}
{{- define "flk.clientTls" -}}
{{- with .Values.backend.tls.authoritySecret }}
- secret:
    name: {{ . }}
    items:
      - key: ca.crt
        path: authority/ca.crt
{{- end }}
{{- with .Values.backend.tls.clientSecret }}
- secret:
    name: {{ . }}
    items:
      - key: tls.crt
        path: client/tls.crt
      - key: tls.key
        path: client/tls.key
{{- end }}
{{- end -}}

{{- /* The agent's signing key as a source of a projected volume. */ -}}
{{- define "flk.signingKey" -}}
{{- if ne .Values.keys.algorithm "none" -}}
- secret:
    name: {{ include "flk.keysSecret" . }}
    items:
      {{- if eq .Values.keys.algorithm "hmac" }}
      - key: hmac-key
        path: keys/hmac-key
      {{- else }}
      - key: ed25519-private
        path: keys/ed25519-private
      {{- end }}
{{- end -}}
{{- end -}}
