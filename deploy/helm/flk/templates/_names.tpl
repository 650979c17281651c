{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- define "flk.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 38 | trimSuffix "-" -}}
{{- end -}}

{{- /* the release's name, with the chart's unless it contains it; short enough for suffixes */ -}}
{{- define "flk.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 38 | trimSuffix "-" -}}
{{- else if contains (include "flk.name" .) .Release.Name -}}
{{- .Release.Name | trunc 38 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "flk.name" .) | trunc 38 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* labels that never change during the life of a release; takes (list . component) */ -}}
{{- define "flk.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "flk.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "flk.labels" -}}
{{- $root := index . 0 -}}
{{ include "flk.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* takes (list . image) */ -}}
{{- define "flk.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "flk.keysSecret" -}}
{{- .Values.keys.existingSecret | default (printf "%s-keys" (include "flk.fullname" .)) -}}
{{- end -}}

{{- define "flk.storeSecret" -}}
{{- .Values.backend.store.existingSecret | default (printf "%s-store" (include "flk.fullname" .)) -}}
{{- end -}}

{{- define "flk.metricsSecret" -}}
{{- .Values.metrics.login.existingSecret | default (printf "%s-metrics" (include "flk.fullname" .)) -}}
{{- end -}}

{{- define "flk.hasMetricsLogin" -}}
{{- if or .Values.metrics.login.existingSecret .Values.metrics.login.user -}}yes{{- end -}}
{{- end -}}

{{- define "flk.hasMoreHmacKeys" -}}
{{- if .Values.keys.existingSecret -}}
{{- if .Values.keys.moreHmacKeysInSecret -}}yes{{- end -}}
{{- else if .Values.keys.moreHmacKeys -}}yes{{- end -}}
{{- end -}}

{{- /* whether the backend also takes keys from the Secret with the agent's key */ -}}
{{- define "flk.hasSimpleKeys" -}}
{{- if and (ne .Values.keys.algorithm "none") (not .Values.backend.keysFile.existingSecret) -}}yes{{- end -}}
{{- end -}}

{{- define "flk.needsKeysSecret" -}}
{{- if or (include "flk.hasSimpleKeys" .) (and .Values.agent.enabled (ne .Values.keys.algorithm "none")) -}}yes{{- end -}}
{{- end -}}

{{- define "flk.hasRemoteStore" -}}
{{- if has .Values.backend.store.kind (list "redis" "postgres") -}}yes{{- end -}}
{{- end -}}

{{- /* whether the state is in Postgres; the program ignores case */ -}}
{{- define "flk.isStateInPostgres" -}}
{{- if eq (lower (toString .Values.state.config.STATE_ENGINE)) "postgres" -}}yes{{- end -}}
{{- end -}}

{{- define "flk.backendUrl" -}}
{{- printf "%s://%s-backend:%v" (ternary "https" "http" (not (empty .Values.backend.tls.existingSecret))) (include "flk.fullname" .) .Values.backend.service.port -}}
{{- end -}}
