// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The jars take what the chart makes for them: they are started as its pods would start them, and do their work. */
final class HelmProgramsIT {
    private static final String VALUES = """
            keys: {hmacKey: '%s', moreHmacKeys: "an older key,the oldest"}
            backend: {config: {LOG_FORMAT: text, TOKEN_RATE: 500/s, MAX_CLOCK_SKEW: 10m}}
            agent:
              enabled: true
              config: {BASE_DELAY: 20ms, OUTBOX_MIN_FREE_BYTES: 1MiB}
              deployment: {compact: {horizonDays: 0}}
            metrics: {login: {user: scraper, password: 'a \\ and a #'}}
            """.formatted(Pcs.KEY);

    private static final Pattern METRICS_PORT = Pattern.compile("metrics on port ([0-9]+)");
    /** A program, the words of a command, and what follows on the line; in {@code NOTES.txt} as well. */
    private static final Pattern COMMAND = Pattern.compile(
            "(?:\\./flk |/opt/flk/flk-|`flk-|with flk-)(backend|agent)(?:\\.jar)?((?: [a-z]+)+)([^\\n`|>]*)");

    private static final Pattern OPTION = Pattern.compile("--[a-z-]+");
    private static final Pattern NAME = Pattern.compile("(?m)^([A-Z][A-Z0-9_]+) +");
    private static final Pattern NAMES = Pattern.compile("\\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\\b");

    /** What the chart sets by itself, or by values of their own. */
    private static final Set<String> BACKEND_OWN = Set.of(
            "PORT",
            "BIND_ADDR",
            "TLS_CERT",
            "TLS_KEY",
            "TLS_CLIENT_CA",
            "OPS_PORT",
            "OPS_BIND_ADDR",
            "PCS_SIGN_ALG",
            "PCS_HMAC_KEY",
            "PCS_HMAC_KEYS",
            "PCS_ED25519_PUB_B64",
            "KEYS_FILE",
            "WAL_DIR",
            "DEDUP_BACKEND",
            "DEDUP_DIR",
            "REDIS_URI",
            "REDIS_ADDR",
            "POSTGRES_CONN",
            "METRICS_USER",
            "METRICS_PASS");

    private static final Set<String> AGENT_OWN = Set.of(
            "ENDPOINT",
            "PCS_SIGN_ALG",
            "PCS_HMAC_KEY",
            "PCS_ED25519_PRIV_B64",
            "OUTBOX_PATH",
            "DLQ_PATH",
            "CONTROL_SOCKET",
            "METRICS_PORT");

    private static final Set<String> AGENT_AS_FILES = Set.of("TLS_CA", "TLS_CERT", "TLS_KEY");

    @TempDir
    static Path directory;

    private static Manifests manifests;
    private static PodOnThisMachine backendPod;
    private static BackendProcess backend;

    @BeforeAll
    static void start() throws IOException {
        manifests = HelmChart.render(VALUES);
        backendPod = PodOnThisMachine.of(manifests, "StatefulSet/flk-backend", volume("backend"));
        backend = BackendProcess.of(backendPod.start("flk-backend", Map.of("PORT", "0", "BIND_ADDR", "127.0.0.1")));
    }

    @AfterAll
    static void stop() throws IOException {
        if (backend != null) {
            backend.close();
        }
    }

    private static Path volume(String name) throws IOException {
        return Files.createDirectory(directory.resolve(name));
    }

    @Test
    void backend_answersItsProbes_andItsMetricsToWhoHasTheLogin() throws Exception {
        JsonNode container = manifests.pod("StatefulSet/flk-backend").container();
        Client client = new Client(backend.url());
        for (String probe : List.of("startupProbe", "livenessProbe", "readinessProbe")) {
            String path = container.at("/" + probe + "/httpGet/path").asText();
            assertThat(client.get(path).status()).as(path).isEqualTo(200);
        }
        assertThat(client.get("/metrics").status()).isEqualTo(401);
        String login = Base64.getEncoder().encodeToString("scraper:a \\ and a #".getBytes(StandardCharsets.UTF_8));
        assertThat(client.send(client.request("/metrics")
                                .header("Authorization", "Basic " + login)
                                .GET())
                        .status())
                .isEqualTo(200);
    }

    @Test
    void backend_writesToItsVolumesAlone() throws IOException {
        assertThat(directory.resolve("backend/wal")).isNotEmptyDirectory();
        assertThat(directory.resolve("backend/dedup")).isNotEmptyDirectory();
        assertThat(backendPod.workingDirectory()).isEmptyDirectory();
    }

    @Test
    void agent_shipsToTheBackend_andIsCompactedBesideItsWork() throws Exception {
        Path claim = volume("agent");
        Map<String, String> here = Map.of("ENDPOINT", backend.url(), "METRICS_PORT", "0");
        PodOnThisMachine pod = PodOnThisMachine.of(manifests, "Deployment/flk-agent", claim);
        PodOnThisMachine job = PodOnThisMachine.of(manifests, "CronJob/flk-agent-compact", claim);
        try (Program agent = pod.start("flk-agent", here)) {
            Matcher port = METRICS_PORT.matcher(
                    agent.awaitLine(line -> METRICS_PORT.matcher(line).find()));
            assertThat(port.find()).isTrue();
            String probe = manifests
                    .pod("Deployment/flk-agent")
                    .container()
                    .at("/livenessProbe/httpGet/path")
                    .asText();
            assertThat(new Client("http://127.0.0.1:" + port.group(1))
                            .get(probe)
                            .status())
                    .isEqualTo(200);

            try (Program submit =
                    pod.start("flk-agent", here, List.of("submit", "-", "--config", "/etc/flk/agent.properties"))) {
                submit.input(Pcs.number(1).without("sig").json());
                assertThat(submit.awaitExit()).as(submit.allLines()).isZero();
            }
            agent.awaitLine(line -> line.contains("submitted successfully (status=200)"));

            try (Program compact = job.start("flk-agent", Map.of())) {
                assertThat(compact.awaitExit()).as(compact.allLines()).isZero();
                assertThat(compact.out()).contains("1 segment removed", "0 certificates wait");
            }
            assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
        }
        assertThat(pod.workingDirectory()).isEmptyDirectory();
        assertThat(job.workingDirectory()).isEmptyDirectory();
    }

    @Test
    void helmTest_isGreenWhereTheBackendIsReachedAndKnowsTheKey() throws Exception {
        PodOnThisMachine pod = PodOnThisMachine.of(manifests, "Pod/flk-test", volume("none"));
        try (Program doctor = pod.start("flk-agent", Map.of("ENDPOINT", backend.url()))) {
            assertThat(doctor.awaitExit()).as(doctor.allLines()).isZero();
            assertThat(doctor.out()).contains("is ready", "knows it", "nothing stands in the way");
        }
        assertThat(pod.workingDirectory()).isEmptyDirectory();
    }

    @Test
    void sharedStores_areTakenByTheBackend() throws Exception {
        for (String store : List.of("redis", "postgres")) {
            String uri =
                    store.equals("redis") ? "redis://flk:p%40ss@redis.example" : "postgresql://flk:x@db.example/flk";
            Manifests several = HelmChart.render("""
                    keys: {algorithm: none}
                    backend: {replicas: 3, store: {kind: %s, uri: '%s'}}
                    networkPolicy: {enabled: false}
                    """.formatted(store, uri));
            assertThat(configCheck(several, store)).containsPattern("DEDUP_BACKEND +" + store + " +file");
        }
    }

    /** A Secret is mounted by links, and changed by swapping one of them; its files have the mode that the chart says. */
    @Test
    void keysFile_isReadAgainWhenItsSecretChanges_andItsModeIsOneThatTheBackendTakes() throws Exception {
        Manifests registered = HelmChart.render("""
                backend: {keysFile: {existingSecret: our-registry}}
                networkPolicy: {enabled: false}
                """);
        String active = """
                {"version":1,"keys":[{"id":"plant","algorithm":"hmac","secret_file":"plant.secret","shards":["shard-1"],"state":"active"}]}
                """;
        Map<String, String> first = Map.of("keys.json", active, "plant.secret", Pcs.KEY + ", and longer");
        PodOnThisMachine pod = PodOnThisMachine.of(registered, "StatefulSet/flk-backend", volume("registered"));
        pod.putSecret("our-registry", first);
        try (BackendProcess running =
                BackendProcess.of(pod.start("flk-backend", Map.of("PORT", "0", "BIND_ADDR", "127.0.0.1")))) {
            Client client = new Client(running.url());
            Pcs pcs = Pcs.number(1).signedBy(Pcs.KEY + ", and longer");
            assertThat(client.submit(pcs).status()).isEqualTo(200);

            pod.putSecret("our-registry", Map.of("keys.json", active.replace("active", "revoked")));
            running.program().awaitLine(line -> line.endsWith("; plant is revoked"));
            assertThat(client.submit(Pcs.number(2).signedBy(Pcs.KEY + ", and longer"))
                            .status())
                    .isEqualTo(401);
            assertThat(client.metric("flk_keys_file_errors_total")).isZero();
            Ended listed = ended(pod, "keys", "list", "--config", "/etc/flk/backend.properties");
            assertThat(listed.exitCode()).as(listed.out()).isZero();
            assertThat(listed.out()).containsPattern("plant +hmac +revoked");
        }

        pod.putSecret("our-registry", first, "rw-r--r--"); // what Kubernetes does unless told otherwise
        Ended refused = ended(pod, "config", "check", "--config", "/etc/flk/backend.properties");
        assertThat(refused.exitCode()).isEqualTo(2);
        assertThat(refused.out()).contains("key plant: its secret_file can be read by everybody");
    }

    @Test
    void helmTest_withAKeysFile_asksForAShardOfTheAgent() throws Exception {
        byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
        Manifests registered =
                HelmChart.render("""
                keys: {algorithm: ed25519, ed25519Private: '%s'}
                backend: {keysFile: {existingSecret: our-registry}}
                agent: {enabled: true, config: {SHARD_ID: plant-7}}
                """.formatted(Base64.getEncoder().encodeToString(seed)));
        PodOnThisMachine pod = PodOnThisMachine.of(registered, "StatefulSet/flk-backend", volume("shard-keys"));
        pod.putSecret("our-registry", Map.of("keys.json", """
                {"version":1,"keys":[{"id":"plant","algorithm":"ed25519","public_key":"%s","shards":["plant-7"],"state":"active"}]}
                """.formatted(new Ed25519Signer(seed).publicKeyBase64())));
        PodOnThisMachine test = PodOnThisMachine.of(registered, "Pod/flk-test", volume("no-outbox"));
        try (BackendProcess running =
                        BackendProcess.of(pod.start("flk-backend", Map.of("PORT", "0", "BIND_ADDR", "127.0.0.1")));
                Program doctor = test.start("flk-agent", Map.of("ENDPOINT", running.url()))) {
            assertThat(doctor.awaitExit()).as(doctor.allLines()).isZero();
            assertThat(doctor.out()).contains("is ready", "knows it", "nothing stands in the way");
        }
    }

    private record Ended(int exitCode, String out) {}

    private static Ended ended(PodOnThisMachine pod, String... command) throws IOException {
        try (Program program = pod.start("flk-backend", Map.of(), List.of(command))) {
            return new Ended(program.awaitExit(), program.allLines());
        }
    }

    @Test
    void settings_areThoseThatTheProgramsKnow() throws Exception {
        JsonNode schema = HelmChart.yaml("values.schema.json").path("properties");
        Set<String> ofBackend = NAME.matcher(configCheck(manifests, "known"))
                .results()
                .map(name -> name.group(1))
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(ofBackend).contains("TOL_D").containsAll(BACKEND_OWN);
        ofBackend.removeAll(BACKEND_OWN);
        assertThat(schema.at("/backend/properties/config/properties").fieldNames())
                .toIterable()
                .containsExactlyInAnyOrderElementsOf(ofBackend);

        Set<String> ofAgent = agentNames();
        assertThat(ofAgent).contains("MAX_AGE").containsAll(AGENT_OWN).containsAll(AGENT_AS_FILES);
        ofAgent.removeAll(AGENT_OWN);
        ofAgent.removeAll(AGENT_AS_FILES);
        AGENT_AS_FILES.forEach(name -> ofAgent.add(name + "_FILE"));
        assertThat(schema.at("/agent/properties/config/properties").fieldNames())
                .toIterable()
                .containsExactlyInAnyOrderElementsOf(ofAgent);
    }

    @Test
    void commandsThatAreWrittenDown_areThoseOfTheJars() throws Exception {
        Map<String, Set<String>> commands = new TreeMap<>();
        for (String file : List.of("README.md", "templates/NOTES.txt", "templates/_checks.tpl")) {
            COMMAND.matcher(Files.readString(HelmChart.DIRECTORY.resolve(file)))
                    .results()
                    .forEach(command -> OPTION.matcher(command.group(3))
                            .results()
                            .map(MatchResult::group)
                            .forEach(commands.computeIfAbsent(
                                    command.group(1) + command.group(2), any -> new TreeSet<>())::add));
        }
        assertThat(commands)
                .containsOnlyKeys(
                        "agent compact",
                        "agent doctor",
                        "agent keygen",
                        "agent status",
                        "agent submit",
                        "backend config check",
                        "backend keys add",
                        "backend keys check",
                        "backend keys list",
                        "backend keys revoke");
        for (var command : commands.entrySet()) {
            String[] words = (command.getKey() + " -h").split(" ", -1);
            try (Program help = Program.java(
                    "flk-" + words[0],
                    directory,
                    Map.of(),
                    Program.QUICK_START,
                    Arrays.copyOfRange(words, 1, words.length))) {
                assertThat(help.awaitExit()).as(command.getKey()).isZero();
                assertThat(help.out()).contains("Usage: flk-" + command.getKey());
                assertThat(command.getValue())
                        .allSatisfy(option -> assertThat(help.out()).contains(option));
            }
        }
    }

    @Test
    void appVersion_isThatOfTheJars() throws Exception {
        try (Program version = Program.java("flk-backend", directory, Map.of(), Program.QUICK_START, "--version")) {
            assertThat(version.awaitExit()).isZero();
            assertThat(version.out().strip())
                    .isEqualTo("flk-backend "
                            + HelmChart.yaml("Chart.yaml").path("appVersion").asText());
        }
    }

    private static String configCheck(Manifests some, String volume) throws IOException {
        PodOnThisMachine pod = PodOnThisMachine.of(some, "StatefulSet/flk-backend", volume(volume));
        try (Program check = pod.start(
                "flk-backend", Map.of(), List.of("config", "check", "--config", "/etc/flk/backend.properties"))) {
            assertThat(check.awaitExit()).as(check.allLines()).isZero();
            return check.out();
        }
    }

    /** From its help: the lines between the one that says where settings come from and the exit codes. */
    private static Set<String> agentNames() throws IOException {
        try (Program help = Program.java("flk-agent", directory, Map.of(), Program.QUICK_START, "-h")) {
            assertThat(help.awaitExit()).isZero();
            Stream<String> lines = help.out()
                    .lines()
                    .dropWhile(line -> !line.startsWith("Settings come from"))
                    .skip(2)
                    .takeWhile(line -> line.startsWith("  "));
            return lines.flatMap(line -> NAMES.matcher(line).results().map(MatchResult::group))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }
}
