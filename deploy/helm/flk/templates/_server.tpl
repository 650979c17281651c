{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* The objects that backend and state have in common; each template takes (list . component). */ -}}
{{- define "flk.server.port" -}}
{{- ternary 8080 8081 (eq (index . 1) "backend") -}}
{{- end -}}

{{- /* the port of metrics and probes */ -}}
{{- define "flk.server.opsPortName" -}}
{{- if (index (index . 0).Values (index . 1)).opsPort -}}ops{{- else -}}http{{- end -}}
{{- end -}}

{{- define "flk.server.appProtocol" -}}
{{- if (index (index . 0).Values (index . 1)).tls.existingSecret -}}https{{- else -}}http{{- end -}}
{{- end -}}

{{- define "flk.server.tokensSecret" -}}
{{- if eq (index . 1) "state" -}}{{- (index . 0).Values.state.tokens.existingSecret -}}{{- end -}}
{{- end -}}

{{- /* whether other pods reach the port of the state; otherwise it is on loopback */ -}}
{{- define "flk.server.servesState" -}}
{{- if and (eq (index . 1) "state") (or (include "flk.server.tokensSecret" .) (hasKey (index . 0).Values.state.config "STATE_AUTH")) -}}yes{{- end -}}
{{- end -}}

{{- /* whether the program uses the store's server */ -}}
{{- define "flk.server.usesStore" -}}
{{- $root := index . 0 -}}
{{- $kind := $root.Values.backend.store.kind -}}
{{- if eq (index . 1) "backend" -}}
{{- include "flk.hasRemoteStore" $root -}}
{{- else if eq $kind "postgres" -}}
{{- include "flk.isStateInPostgres" $root -}}
{{- else if and (eq $kind "redis") (eq (lower (toString $root.Values.state.config.SESSION_STORE)) "redis") -}}yes
{{- end -}}
{{- end -}}

{{- /* whether the program uses backend.postgres */ -}}
{{- define "flk.server.usesPostgres" -}}
{{- $root := index . 0 -}}
{{- if and $root.Values.backend.postgres.existingSecret (or (eq (index . 1) "backend") (include "flk.isStateInPostgres" $root)) -}}yes{{- end -}}
{{- end -}}

{{- define "flk.server.statefulset" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $server := index $root.Values $name -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ include "flk.fullname" $root }}-{{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "flk.labels" $ | nindent 4 }}
spec:
  {{- if not (and $server.autoscaling $server.autoscaling.enabled) }}
  replicas: {{ $server.replicas }}
  {{- end }}
  serviceName: {{ include "flk.fullname" $root }}-{{ $name }}-headless
  podManagementPolicy: Parallel
  # only a person removes answered certificates or the state
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: Retain
    whenScaled: Retain
  selector:
    matchLabels:
      {{- include "flk.selector" $ | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "flk.labels" $ | nindent 8 }}
        {{- with $server.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ include (print $root.Template.BasePath (printf "/%s-config.yaml" $name)) $root | sha256sum }}
        checksum/secrets: {{ include (print $root.Template.BasePath "/secrets.yaml") $root | sha256sum }}
        {{- with $server.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "flk.pod" $root | nindent 6 }}
      terminationGracePeriodSeconds: {{ $server.terminationGracePeriodSeconds }}
      {{- with include "flk.placement" $server | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $server.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $server.topologySpread }}
      topologySpreadConstraints:
        {{- range . }}
        - topologyKey: {{ .topologyKey }}
          maxSkew: {{ .maxSkew }}
          whenUnsatisfiable: {{ .whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "flk.selector" $ | nindent 14 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ $name }}
          image: {{ include "flk.image" (list $root $server.image) | quote }}
          imagePullPolicy: {{ $server.image.pullPolicy }}
          args: [serve, --config, /etc/flk/{{ $name }}.properties]
          env:
            {{- if eq $name "backend" }}
            - name: LOG_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            {{- end }}
            - name: JAVA_TOOL_OPTIONS
              value: {{ $server.jvmOptions | quote }}
          ports:
            - name: http
              containerPort: {{ include "flk.server.port" $ }}
            {{- with $server.opsPort }}
            - name: ops
              containerPort: {{ . }}
            {{- end }}
            {{- if include "flk.server.servesState" $ }}
            - name: state
              containerPort: 50051
            {{- end }}
          startupProbe:
            httpGet:
              path: /health
              port: {{ include "flk.server.opsPortName" $ }}
            periodSeconds: 2
            timeoutSeconds: 3
            failureThreshold: 60
          livenessProbe:
            httpGet:
              path: /health
              port: {{ include "flk.server.opsPortName" $ }}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet:
              path: /readyz
              port: {{ include "flk.server.opsPortName" $ }}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 2
          {{- if $server.drainSeconds }}
          # continues to serve until it is removed from the endpoints
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $server.drainSeconds }}
          {{- end }}
          resources:
            {{- toYaml $server.resources | nindent 12 }}
          {{- include "flk.container.security" $root | nindent 10 }}
          volumeMounts:
            - name: data
              mountPath: /var/lib/flk
            - name: settings
              mountPath: /etc/flk
              readOnly: true
            {{- if $root.Values.backend.keysFile.existingSecret }}
            - name: keys-file
              mountPath: /etc/flk-keys
              readOnly: true
            {{- end }}
            {{- if include "flk.server.tokensSecret" $ }}
            - name: state-tokens
              mountPath: /etc/flk-state
              readOnly: true
            {{- end }}
            - name: tmp
              mountPath: /tmp
            {{- with $server.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: settings
          projected:
            defaultMode: 0440
            sources:
              - configMap:
                  name: {{ include "flk.fullname" $root }}-{{ $name }}
              {{- if include "flk.hasSimpleKeys" $root }}
              - secret:
                  name: {{ include "flk.keysSecret" $root }}
                  items:
                    {{- if eq $root.Values.keys.algorithm "hmac" }}
                    - key: hmac-key
                      path: keys/hmac-key
                    {{- if include "flk.hasMoreHmacKeys" $root }}
                    - key: more-hmac-keys
                      path: keys/more-hmac-keys
                    {{- end }}
                    {{- else }}
                    - key: ed25519-public
                      path: keys/ed25519-public
                    {{- end }}
              {{- end }}
              {{- if include "flk.server.usesStore" $ }}
              - secret:
                  name: {{ include "flk.storeSecret" $root }}
                  items:
                    - key: uri
                      path: store/uri
              {{- end }}
              {{- if include "flk.server.usesPostgres" $ }}
              - secret:
                  name: {{ $root.Values.backend.postgres.existingSecret }}
                  items:
                    - key: uri
                      path: postgres/uri
              {{- end }}
              {{- with $server.tls.existingSecret }}
              # reloaded when it changes, without a restart
              - secret:
                  name: {{ . }}
                  items:
                    - key: tls.crt
                      path: tls/tls.crt
                    - key: tls.key
                      path: tls/tls.key
              {{- end }}
              {{- with $server.tls.clientAuthoritySecret }}
              - secret:
                  name: {{ . }}
                  items:
                    - key: ca.crt
                      path: clients/ca.crt
              {{- end }}
              {{- if include "flk.hasMetricsLogin" $root }}
              - secret:
                  name: {{ include "flk.metricsSecret" $root }}
                  items:
                    - key: user
                      path: metrics/user
                    - key: password
                      path: metrics/password
              {{- end }}
        {{- with $root.Values.backend.keysFile.existingSecret }}
        # the complete Secret, reloaded when it changes. The programs refuse secrets that everybody can read
        - name: keys-file
          secret:
            secretName: {{ . }}
            defaultMode: 0440
        {{- end }}
        {{- with include "flk.server.tokensSecret" $ }}
        # reloaded when it changes
        - name: state-tokens
          secret:
            secretName: {{ . }}
            defaultMode: 0440
        {{- end }}
        {{- include "flk.tmp" $root | nindent 8 }}
        {{- with $server.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: data
        labels:
          {{- include "flk.selector" $ | nindent 10 }}
      spec:
        accessModes: [{{ $server.persistence.accessMode }}]
        {{- with $server.persistence.storageClass }}
        storageClassName: {{ . | quote }}
        {{- end }}
        resources:
          requests:
            storage: {{ $server.persistence.size | quote }}
{{- end -}}

{{- define "flk.server.services" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $server := index $root.Values $name -}}
{{- $service := $server.service | default dict -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "flk.fullname" $root }}-{{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "flk.labels" $ | nindent 4 }}
  {{- with $service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $service.type | default "ClusterIP" }}
  sessionAffinity: {{ $service.sessionAffinity | default "None" }}
  selector:
    {{- include "flk.selector" $ | nindent 4 }}
  ports:
    - name: http
      port: {{ $service.port | default (include "flk.server.port" $) }}
      targetPort: http
      appProtocol: {{ include "flk.server.appProtocol" $ }}
    {{- if include "flk.server.servesState" $ }}
    - name: state
      port: 50051
      targetPort: state
      appProtocol: grpc
    {{- end }}
---
# names for all replicas, also those that are not ready, whose metrics show why
apiVersion: v1
kind: Service
metadata:
  name: {{ include "flk.fullname" $root }}-{{ $name }}-headless
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "flk.labels" $ | nindent 4 }}
    flk.dev/scrape: "true"
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "flk.selector" $ | nindent 4 }}
  ports:
    - name: http
      port: {{ include "flk.server.port" $ }}
      targetPort: http
      appProtocol: {{ include "flk.server.appProtocol" $ }}
    {{- with $server.opsPort }}
    - name: ops
      port: {{ . }}
      targetPort: ops
      appProtocol: http
    {{- end }}
{{- end -}}

{{- /* takes (list . component settings); the settings are those that only this component has */ -}}
{{- define "flk.server.config" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $server := index $root.Values $name -}}
{{- $settings := index . 2 -}}
{{- if $root.Values.backend.keysFile.existingSecret -}}
{{- $_ := set $settings "KEYS_FILE" "/etc/flk-keys/keys.json" -}}
{{- else -}}
{{- $_ := set $settings "PCS_SIGN_ALG" $root.Values.keys.algorithm -}}
{{- if eq $root.Values.keys.algorithm "hmac" -}}
{{- $_ := set $settings "PCS_HMAC_KEY_FILE" "/etc/flk/keys/hmac-key" -}}
{{- if include "flk.hasMoreHmacKeys" $root -}}
{{- $_ := set $settings "PCS_HMAC_KEYS_FILE" "/etc/flk/keys/more-hmac-keys" -}}
{{- end -}}
{{- else if eq $root.Values.keys.algorithm "ed25519" -}}
{{- $_ := set $settings "PCS_ED25519_PUB_B64_FILE" "/etc/flk/keys/ed25519-public" -}}
{{- end -}}
{{- end -}}
{{- if include "flk.server.usesStore" $ -}}
{{- $_ := set $settings (ternary "REDIS_URI_FILE" "POSTGRES_CONN_FILE" (eq $root.Values.backend.store.kind "redis")) "/etc/flk/store/uri" -}}
{{- end -}}
{{- if include "flk.server.usesPostgres" $ -}}
{{- $_ := set $settings "POSTGRES_CONN_FILE" "/etc/flk/postgres/uri" -}}
{{- end -}}
{{- if include "flk.server.tokensSecret" $ -}}
{{- $_ := set $settings "STATE_PORT" "50051" -}}
{{- $_ := set $settings "STATE_TOKENS_FILE" "/etc/flk-state/tokens.json" -}}
{{- end -}}
{{- with $server.opsPort -}}
{{- $_ := set $settings "OPS_PORT" (toString .) -}}
{{- $_ := set $settings "OPS_BIND_ADDR" "0.0.0.0" -}}
{{- end -}}
{{- if $server.tls.existingSecret -}}
{{- $_ := set $settings "TLS_CERT" "/etc/flk/tls/tls.crt" -}}
{{- $_ := set $settings "TLS_KEY" "/etc/flk/tls/tls.key" -}}
{{- end -}}
{{- if $server.tls.clientAuthoritySecret -}}
{{- $_ := set $settings "TLS_CLIENT_CA" "/etc/flk/clients/ca.crt" -}}
{{- end -}}
{{- if include "flk.hasMetricsLogin" $root -}}
{{- $_ := set $settings "METRICS_USER_FILE" "/etc/flk/metrics/user" -}}
{{- $_ := set $settings "METRICS_PASS_FILE" "/etc/flk/metrics/password" -}}
{{- else if not (hasKey $server.config "UI_HOSTS") -}}
{{- /* without a login, metrics are served under these names and at the pods' IP addresses, which Prometheus uses */ -}}
{{- $hosts := list -}}
{{- range $service := list $name (printf "%s-headless" $name) -}}
{{- $name := printf "%s-%s" (include "flk.fullname" $root) $service -}}
{{- $inNamespace := printf "%s.%s" $name $root.Release.Namespace -}}
{{- $hosts = concat $hosts (list $name $inNamespace (printf "%s.svc" $inNamespace) (printf "%s.svc.cluster.local" $inNamespace)) -}}
{{- end -}}
{{- $_ := set $settings "UI_HOSTS" (join "," $hosts) -}}
{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "flk.fullname" $root }}-{{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "flk.labels" (list $root $name) | nindent 4 }}
data:
  {{ $name }}.properties: |
    {{- include "flk.properties" (merge $settings $server.config) | trim | nindent 4 }}
{{- end -}}
