{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* The pod of the agent, the same for Deployment and DaemonSet except for its volume. */ -}}
{{- define "flk.agent.template" -}}
{{- $agent := .Values.agent -}}
metadata:
  labels:
    {{- include "flk.labels" (list . "agent") | nindent 4 }}
    {{- with $agent.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include (print $.Template.BasePath "/agent-config.yaml") . | sha256sum }}
    checksum/secrets: {{ include (print $.Template.BasePath "/secrets.yaml") . | sha256sum }}
    {{- with $agent.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "flk.pod" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ $agent.terminationGracePeriodSeconds }}
  {{- with include "flk.placement" $agent | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $agent.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: agent
      image: {{ include "flk.image" (list . $agent.image) | quote }}
      imagePullPolicy: {{ $agent.image.pullPolicy }}
      args: [run, --config, /etc/flk/agent.properties]
      env:
        - name: JAVA_TOOL_OPTIONS
          value: {{ $agent.jvmOptions | quote }}
      ports:
        - name: metrics
          containerPort: 9100
      startupProbe:
        httpGet:
          path: /metrics
          port: metrics
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 60
      livenessProbe:
        httpGet:
          path: /metrics
          port: metrics
        periodSeconds: 30
        timeoutSeconds: 10
        failureThreshold: 4
      resources:
        {{- toYaml $agent.resources | nindent 8 }}
      {{- include "flk.container.security" . | nindent 6 }}
      volumeMounts:
        - name: data
          mountPath: /var/lib/flk
        - name: settings
          mountPath: /etc/flk
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- with $agent.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $agent.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: data
      {{- if eq $agent.kind "DaemonSet" }}
      hostPath:
        path: {{ $agent.daemonSet.hostPath }}
        # created by hand: the agent can't write to a directory that Kubernetes creates, since root owns it
        type: Directory
      {{- else }}
      persistentVolumeClaim:
        claimName: {{ include "flk.agent.claim" . }}
      {{- end }}
    - name: settings
      projected:
        defaultMode: 0440
        sources:
          - configMap:
              name: {{ include "flk.fullname" . }}-agent
          {{- include "flk.signingKey" . | nindent 10 }}
          {{- if not $agent.endpoint }}
          {{- include "flk.clientTls" . | nindent 10 }}
          {{- end }}
    {{- include "flk.tmp" . | nindent 4 }}
    {{- with $agent.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "flk.agent.claim" -}}
{{- .Values.agent.deployment.persistence.existingClaim | default (printf "%s-agent" (include "flk.fullname" .)) -}}
{{- end -}}
