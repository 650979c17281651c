{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- /* Checks that the schema can't make, or whose messages would be unclear. */ -}}
{{- define "flk.checks" -}}
{{- $store := .Values.backend.store -}}
{{- $scales := .Values.backend.autoscaling.enabled -}}
{{- if and (not (include "flk.hasRemoteStore" .)) (or $scales (gt (int .Values.backend.replicas) 1)) -}}
{{- fail (printf "backend.store.kind is %s, which keeps outcomes within one replica: a second one would decide the same certificate once more. For several replicas, or backend.autoscaling, set backend.store.kind to redis or postgres" $store.kind) -}}
{{- end -}}
{{- if and (include "flk.hasRemoteStore" .) (not $store.uri) (not $store.existingSecret) -}}
{{- fail (printf "backend.store.kind is %s: set backend.store.existingSecret to a Secret with the entry uri, or backend.store.uri" $store.kind) -}}
{{- end -}}
{{- if and $store.uri $store.existingSecret -}}
{{- fail "backend.store.uri and backend.store.existingSecret are both set; keep one" -}}
{{- end -}}
{{- if and (not (include "flk.hasRemoteStore" .)) (or $store.uri $store.existingSecret) -}}
{{- fail (printf "backend.store.kind is %s, which has no server: remove backend.store.uri and backend.store.existingSecret, or set backend.store.kind to redis or postgres" $store.kind) -}}
{{- end -}}
{{- $postgres := .Values.backend.postgres.existingSecret -}}
{{- if and $postgres (eq $store.kind "postgres") -}}
{{- fail "backend.postgres.existingSecret is set, and backend.store.kind is postgres: record and state use the server of the store; remove backend.postgres.existingSecret" -}}
{{- end -}}
{{- range $name, $engine := dict "backend.config.RECORD_STORE" .Values.backend.config.RECORD_STORE "state.config.STATE_ENGINE" (ternary .Values.state.config.STATE_ENGINE "" .Values.state.enabled) -}}
{{- if and (eq (lower (toString $engine)) "postgres") (ne $store.kind "postgres") (not $postgres) -}}
{{- fail (printf "%s is postgres, and backend.store.kind is %s: there is no Postgres; set backend.postgres.existingSecret to a Secret with the entry uri, or backend.store.kind to postgres" $name $store.kind) -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int .Values.state.replicas) 1) (not (include "flk.isStateInPostgres" .)) -}}
{{- fail "state.replicas is above 1, and each replica would have a state of its own: set state.config.STATE_ENGINE to postgres" -}}
{{- end -}}
{{- if and .Values.state.tls.existingSecret (not .Values.state.opsPort) -}}
{{- fail "state.tls.existingSecret is set, and state.opsPort is not: probes and Prometheus need a port that speaks plain HTTP; set state.opsPort, for instance to 9090" -}}
{{- end -}}
{{- if gt (int .Values.backend.autoscaling.minReplicas) (int .Values.backend.autoscaling.maxReplicas) -}}
{{- fail "backend.autoscaling.minReplicas is above backend.autoscaling.maxReplicas" -}}
{{- end -}}
{{- include "flk.checks.keys" . -}}
{{- include "flk.checks.metrics" . -}}
{{- include "flk.checks.tls" . -}}
{{- include "flk.checks.network" . -}}
{{- if lt (int .Values.backend.terminationGracePeriodSeconds) (add (int .Values.backend.drainSeconds) 15) -}}
{{- fail (printf "backend.terminationGracePeriodSeconds is %v: a backend that is stopped needs backend.drainSeconds and 10 s more; set at least %v" .Values.backend.terminationGracePeriodSeconds (add (int .Values.backend.drainSeconds) 15)) -}}
{{- end -}}
{{- end -}}

{{- define "flk.checks.keys" -}}
{{- $keys := .Values.keys -}}
{{- $made := or $keys.hmacKey $keys.moreHmacKeys $keys.ed25519Public $keys.ed25519Private -}}
{{- if and $keys.existingSecret $made -}}
{{- fail "keys.existingSecret and a key among the values are both set; keep one" -}}
{{- end -}}
{{- if .Values.backend.keysFile.existingSecret -}}
{{- include "flk.checks.keysFile" . -}}
{{- else if not $keys.existingSecret -}}
{{- if and (eq $keys.algorithm "hmac") (not $keys.hmacKey) -}}
{{- fail "no key to check signatures with: set keys.existingSecret to a Secret with the entry hmac-key, or keys.hmacKey; make one with flk-agent keygen" -}}
{{- end -}}
{{- if and (eq $keys.algorithm "ed25519") (not $keys.ed25519Public) -}}
{{- fail "no key to check signatures with: set keys.existingSecret to a Secret with the entry ed25519-public, or keys.ed25519Public; make a pair with flk-agent keygen --alg ed25519" -}}
{{- end -}}
{{- if and (eq $keys.algorithm "ed25519") .Values.agent.enabled (not $keys.ed25519Private) -}}
{{- fail "the agent has no key to sign with: set keys.ed25519Private" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "flk.checks.keysFile" -}}
{{- $keys := .Values.keys -}}
{{- if eq $keys.algorithm "none" -}}
{{- fail "backend.keysFile.existingSecret is set, and keys.algorithm is none, which takes unsigned certificates: remove one of the two" -}}
{{- end -}}
{{- if or $keys.moreHmacKeys $keys.moreHmacKeysInSecret $keys.ed25519Public -}}
{{- fail "backend.keysFile.existingSecret is set, and so is keys.moreHmacKeys, keys.moreHmacKeysInSecret or keys.ed25519Public, whose keys would sign for every shard: put them into the keys file" -}}
{{- end -}}
{{- if not .Values.agent.enabled -}}
{{- if or $keys.existingSecret $keys.hmacKey $keys.ed25519Private -}}
{{- fail "backend.keysFile.existingSecret is set, and so is a key below keys, with which nobody would sign, as agent.enabled is false: remove one of the two" -}}
{{- end -}}
{{- else if not $keys.existingSecret -}}
{{- if not (ternary $keys.hmacKey $keys.ed25519Private (eq $keys.algorithm "hmac")) -}}
{{- fail (printf "the agent has no key to sign with: set keys.existingSecret to a Secret with the entry %s, or keys.%s" (ternary "hmac-key" "ed25519-private" (eq $keys.algorithm "hmac")) (ternary "hmacKey" "ed25519Private" (eq $keys.algorithm "hmac"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "flk.checks.tls" -}}
{{- $tls := .Values.backend.tls -}}
{{- if and (not $tls.existingSecret) (or $tls.clientAuthoritySecret $tls.authoritySecret $tls.clientSecret) -}}
{{- fail "backend.tls.existingSecret is not set, so the backends speak plain HTTP: set it to a Secret with the entries tls.crt and tls.key, or remove the others of backend.tls" -}}
{{- end -}}
{{- if and $tls.existingSecret (not .Values.backend.opsPort) -}}
{{- fail "backend.tls.existingSecret is set, and backend.opsPort is not: probes and Prometheus need a port that speaks plain HTTP; set backend.opsPort, for instance to 9090" -}}
{{- end -}}
{{- if and $tls.existingSecret (not $tls.authoritySecret) -}}
{{- fail "backend.tls.existingSecret is set, and backend.tls.authoritySecret is not: nothing in this release would trust its certificate; set it to a Secret with the entry ca.crt, which may be the same" -}}
{{- end -}}
{{- if and $tls.clientAuthoritySecret (not $tls.clientSecret) -}}
{{- fail "backend.tls.clientAuthoritySecret asks clients for a certificate, and this release has none to show: set backend.tls.clientSecret to a Secret with the entries tls.crt and tls.key" -}}
{{- end -}}
{{- end -}}

{{- define "flk.checks.metrics" -}}
{{- $login := .Values.metrics.login -}}
{{- if and $login.existingSecret (or $login.user $login.password) -}}
{{- fail "metrics.login.existingSecret and metrics.login.user or password are both set; keep one" -}}
{{- end -}}
{{- if ne (empty $login.user) (empty $login.password) -}}
{{- fail "metrics.login.user and metrics.login.password: only one of the two is set; set both, or none" -}}
{{- end -}}
{{- end -}}

{{- define "flk.checks.network" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled is true, and ingress.hosts names no host" -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- fail "gateway.enabled is true, and gateway.parentRefs names no Gateway" -}}
{{- end -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and $policy.enabled (include "flk.hasRemoteStore" .) (not $policy.backend.egress) -}}
{{- fail (printf "networkPolicy.enabled is true, and nothing lets the backends reach %s: set networkPolicy.backend.egress, or networkPolicy.enabled to false" .Values.backend.store.kind) -}}
{{- end -}}
{{- if and $policy.enabled .Values.state.enabled (include "flk.isStateInPostgres" .) (not $policy.state.egress) -}}
{{- fail "networkPolicy.enabled is true, and nothing lets the state reach Postgres: set networkPolicy.state.egress, or networkPolicy.enabled to false" -}}
{{- end -}}
{{- if and $policy.enabled .Values.agent.enabled .Values.agent.endpoint (not $policy.agent.egress) -}}
{{- fail "networkPolicy.enabled is true, and nothing lets the agent reach agent.endpoint: set networkPolicy.agent.egress, or networkPolicy.enabled to false" -}}
{{- end -}}
{{- end -}}
