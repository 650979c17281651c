{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* Settings of every pod: no token, no service links, the user of the images. */ -}}
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

{{- /* A directory for temporary files of the JVM and Netty. */ -}}
{{- define "flk.tmp" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end -}}

{{- /* The scheduling of a pod; takes the values of backend or agent. */ -}}
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

{{- /* The lines of a properties file; each backslash is doubled. */ -}}
{{- define "flk.properties" -}}
{{- range $name, $value := . -}}
{{ $name }}={{ $value | replace "\\" "\\\\" }}
{{ end -}}
{{- end -}}

{{- /* The authority that a client of the backends trusts and the certificate that it presents, as sources of a projected volume. */ -}}
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
