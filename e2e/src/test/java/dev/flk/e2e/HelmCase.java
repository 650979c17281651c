// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.ArrayList;
import java.util.List;

/** A way to install the chart: values, and the objects that come of them beside those that always do. */
enum HelmCase {
    DEFAULT("keys: {existingSecret: our-keys}"),
    KEYS_OF_BOTH_SIDES(
            """
            keys: {algorithm: ed25519, ed25519Public: never-shown-1, ed25519Private: never-shown-2}
            agent: {enabled: true}
            """,
            "Secret/flk-keys",
            "ConfigMap/flk-agent",
            "CronJob/flk-agent-compact",
            "Deployment/flk-agent",
            "NetworkPolicy/flk-agent",
            "NetworkPolicy/flk-agent-compact",
            "PersistentVolumeClaim/flk-agent",
            "Service/flk-agent"),
    UNSIGNED_TRIAL("{keys: {algorithm: none}, backend: {store: {kind: memory}}, networkPolicy: {enabled: false}}") {
        @Override
        List<String> objects() {
            List<String> objects = new ArrayList<>(super.objects());
            objects.remove("NetworkPolicy/flk-backend");
            return objects;
        }
    },
    REDIS_SCALED("""
            keys: {hmacKey: never-shown-1, moreHmacKeys: "never-shown-2,never-shown-3"}
            backend:
              replicas: 3
              store: {kind: redis, uri: "redis://flk:never-shown-4@redis.example:6379"}
              autoscaling: {enabled: true}
            networkPolicy:
              backend:
                from: [{namespaceSelector: {matchLabels: {team: edge}}}]
                egress: [{to: [{podSelector: {matchLabels: {app: redis}}}], ports: [{port: 6379}]}]
            """, "Secret/flk-keys", "Secret/flk-store", "HorizontalPodAutoscaler/flk-backend"),
    POSTGRES("""
            keys: {existingSecret: our-keys, moreHmacKeysInSecret: true}
            backend:
              replicas: 2
              store: {kind: postgres, existingSecret: our-store}
              config: {POSTGRES_POOL_SIZE: "8", DEDUP_TIMEOUT: 2s}
            networkPolicy: {backend: {egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 5432}]}]}}
            """),
    INGRESS("""
            keys: {existingSecret: our-keys}
            ingress:
              enabled: true
              className: nginx
              annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 8m}
              hosts: [pcs.example]
              tls: [{secretName: pcs-tls, hosts: [pcs.example]}]
            """, "Ingress/flk-backend"),
    KEYS_FILE("backend: {keysFile: {existingSecret: our-registry}}"),
    KEYS_FILE_AND_AGENT(
            """
            keys: {algorithm: ed25519, ed25519Private: never-shown-1}
            backend: {keysFile: {existingSecret: our-registry}}
            agent: {enabled: true, kind: DaemonSet, config: {SHARD_ID: plant-7}}
            """,
            "Secret/flk-keys",
            "ConfigMap/flk-agent",
            "DaemonSet/flk-agent",
            "NetworkPolicy/flk-agent",
            "Service/flk-agent"),
    TLS_OF_BOTH_SIDES(
            """
            keys: {existingSecret: our-keys}
            backend:
              tls: {existingSecret: our-tls, authoritySecret: our-tls, clientAuthoritySecret: our-clients, clientSecret: our-client}
              opsPort: 9090
            agent: {enabled: true, kind: DaemonSet}
            networkPolicy: {backend: {opsFrom: [{namespaceSelector: {matchLabels: {team: watch}}}]}}
            metrics: {serviceMonitor: {enabled: true}}
            """,
            "ConfigMap/flk-agent",
            "DaemonSet/flk-agent",
            "NetworkPolicy/flk-agent",
            "Service/flk-agent",
            "ServiceMonitor/flk-agent",
            "ServiceMonitor/flk-backend"),
    TLS_BEHIND_A_PROXY("""
            keys: {algorithm: none}
            backend: {tls: {existingSecret: our-tls, authoritySecret: our-tls}, opsPort: 9090}
            ingress: {enabled: true, hosts: [pcs.example]}
            """, "Ingress/flk-backend"),
    GATEWAY("""
            keys: {existingSecret: our-keys}
            gateway: {enabled: true, parentRefs: [{name: edge, namespace: gateways}], hostnames: [pcs.example]}
            """, "HTTPRoute/flk-backend"),
    AGENT_ON_EACH_NODE(
            """
            keys: {existingSecret: our-keys}
            agent: {enabled: true, kind: DaemonSet, tolerations: [{operator: Exists}]}
            metrics: {serviceMonitor: {enabled: true}}
            """,
            "ConfigMap/flk-agent",
            "DaemonSet/flk-agent",
            "NetworkPolicy/flk-agent",
            "Service/flk-agent",
            "ServiceMonitor/flk-agent",
            "ServiceMonitor/flk-backend"),
    EVERYTHING(
            """
            imagePullSecrets: [{name: pull}]
            keys: {hmacKey: never-shown-1, moreHmacKeys: "never-shown-2,never-shown-3"}
            backend:
              image: {digest: "sha256:%s"}
              replicas: 3
              config: {TOKEN_RATE: 500/s, LOG_FORMAT: json, TOL_D: "0.2"}
              store: {kind: redis, existingSecret: our-store}
              persistence: {storageClass: fast, accessMode: ReadWriteOncePod}
              service: {type: LoadBalancer, port: 80, sessionAffinity: ClientIP, annotations: {a/b: c}}
              podDisruptionBudget: {maxUnavailable: "34%%"}
              nodeSelector: {disk: ssd}
              tolerations: [{key: ingest, operator: Exists, effect: NoSchedule}]
              affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
                {matchExpressions: [{key: zone, operator: In, values: [a, b]}]}]}}}
              priorityClassName: high
              podLabels: {team: edge}
              podAnnotations: {note: mine}
              extraVolumes: [{name: trust, secret: {secretName: trust}}]
              extraVolumeMounts: [{name: trust, mountPath: /etc/trust, readOnly: true}]
            agent:
              enabled: true
              image: {tag: "1", pullPolicy: Always}
              config: {INTAKE_PORT: "8081", OUTBOX_MAX_BYTES: 1800MiB, TLS_CA_FILE: /etc/trust/ca.pem}
              deployment: {persistence: {existingClaim: outbox}, compact: {schedule: "@daily", horizonDays: 3}}
              nodeSelector: {disk: ssd}
              podAnnotations: {note: mine}
              extraContainers:
                - name: meter
                  image: meter:1
                  securityContext:
                    allowPrivilegeEscalation: false
                    readOnlyRootFilesystem: true
                    runAsNonRoot: true
                    capabilities: {drop: [ALL]}
              extraVolumes: [{name: trust, configMap: {name: trust}}]
              extraVolumeMounts: [{name: trust, mountPath: /etc/trust, readOnly: true}]
            ingress: {enabled: true, hosts: [pcs.example]}
            gateway: {enabled: true, parentRefs: [{name: edge}]}
            networkPolicy:
              backend:
                from: [{namespaceSelector: {}}]
                egress: [{ports: [{port: 6379}]}]
              agent: {metricsFrom: [{namespaceSelector: {matchLabels: {team: watch}}}]}
            metrics:
              login: {user: scraper, password: never-shown-4}
              serviceMonitor: {enabled: true, labels: {release: prometheus}, backendJob: ours, agentJob: theirs}
              prometheusRule: {enabled: true, labels: {release: prometheus}, docsUrl: "https://docs.example/flk"}
              dashboards: {enabled: true, annotations: {folder: flk}}
            """.formatted("0".repeat(64)),
            "Secret/flk-keys",
            "Secret/flk-metrics",
            "ConfigMap/flk-agent",
            "ConfigMap/flk-dashboards",
            "CronJob/flk-agent-compact",
            "Deployment/flk-agent",
            "HTTPRoute/flk-backend",
            "Ingress/flk-backend",
            "NetworkPolicy/flk-agent",
            "NetworkPolicy/flk-agent-compact",
            "PrometheusRule/flk",
            "Service/flk-agent",
            "ServiceMonitor/flk-agent",
            "ServiceMonitor/flk-backend");

    /** What there is in each of them. */
    private static final List<String> ALWAYS = List.of(
            "ConfigMap/flk-backend",
            "NetworkPolicy/flk-backend",
            "Pod/flk-test",
            "PodDisruptionBudget/flk-backend",
            "Service/flk-backend",
            "Service/flk-backend-headless",
            "StatefulSet/flk-backend");

    private final String values;
    /** Separated by spaces. */
    private final String more;

    HelmCase(String values, String... more) {
        this.values = values;
        this.more = String.join(" ", more);
    }

    Manifests render() {
        return HelmChart.render(values);
    }

    /** What the installer reads at the end. */
    String notes() {
        return HelmChart.notes(values);
    }

    /** As {@link Manifests#names} has them. */
    List<String> objects() {
        List<String> objects = new ArrayList<>(ALWAYS);
        if (!more.isEmpty()) {
            objects.addAll(List.of(more.split(" ", -1)));
        }
        return objects;
    }

    /** Secrets, and what else somebody made beforehand. */
    List<String> existing() {
        return switch (this) {
            case DEFAULT, INGRESS, GATEWAY, AGENT_ON_EACH_NODE -> List.of("our-keys");
            case TLS_OF_BOTH_SIDES -> List.of("our-keys", "our-tls", "our-clients", "our-client");
            case KEYS_FILE, KEYS_FILE_AND_AGENT -> List.of("our-registry");
            case TLS_BEHIND_A_PROXY -> List.of("our-tls");
            case POSTGRES -> List.of("our-keys", "our-store");
            case EVERYTHING -> List.of("our-store", "trust", "outbox");
            case KEYS_OF_BOTH_SIDES, UNSIGNED_TRIAL, REDIS_SCALED -> List.of();
        };
    }
}
