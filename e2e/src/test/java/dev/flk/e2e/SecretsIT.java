// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that run backend and agent with recognizable secrets and a umask of 0, and then check their output and the
 * content and modes of all files that they leave. {@code BackendConfigFuzzTest} covers secrets in invalid
 * configurations, {@code RedisStoreOutageTest} and {@code PostgresStoreOutageTest} cover the passwords of stores.
 */
@Tag("thorough")
final class SecretsIT {
    private static final String HMAC_KEY = "marked-hmac-key-Zq7vN2xW";
    private static final String OTHER_HMAC_KEY = "marked-older-key-Hh3kT9pL";
    private static final String METRICS_PASSWORD = "marked-metrics-password-Yt5cR1";
    private static final byte[] SEED = "marked-seed-of-thirty-two-bytes!".getBytes(StandardCharsets.UTF_8);
    private static final String SEED_BASE64 = Base64.getEncoder().encodeToString(SEED);
    private static final List<String> HIDE_NOTHING = List.of("sh", "-c", "umask 0; exec \"$@\"", "sh");

    /** An address on which nothing listens. */
    private static final String NOWHERE = "127.0.0.1:9";

    /** The working directory of the programs. Files with secrets that the test gives them are in {@link #given}. */
    @TempDir
    private static Path left;

    @TempDir
    private static Path given;

    private static final Map<String, String> SAID = new LinkedHashMap<>();
    private static final Map<Path, String> PERMISSIONS = new TreeMap<>();
    private static final List<Program> RUNNING = new ArrayList<>();

    @BeforeAll
    static void live() throws Exception {
        Files.createDirectory(left.resolve("tmp"));
        Files.createDirectory(left.resolve("spool"));
        liveTogether();
        offline();
        look();
    }

    @AfterAll
    static void end() {
        RUNNING.forEach(Program::close);
    }

    private static Program start(String name, String jar, Map<String, String> environment, String... args)
            throws IOException {
        Map<String, String> all = new LinkedHashMap<>(environment);
        all.put("JAVA_TOOL_OPTIONS", "-Djava.io.tmpdir=" + left.resolve("tmp"));
        all.putIfAbsent("LOG_LEVEL", "DEBUG");
        Program program = Program.through(HIDE_NOTHING, jar, left, all, args);
        RUNNING.add(program);
        SAID.put(name + " command line", Files.readString(Path.of("/proc/" + program.pid() + "/cmdline")));
        return program;
    }

    /** Runs a command to completion, and returns its exit code without checking it. */
    private static int run(String name, String jar, Map<String, String> environment, String... args)
            throws IOException {
        Program program = start(name, jar, environment, args);
        int code = program.awaitExit();
        SAID.put(name, program.allLines());
        return code;
    }

    private static Map<String, String> backend() {
        return and(
                ServedBackend.environment(),
                "PCS_HMAC_KEY=",
                "PCS_HMAC_KEYS=" + HMAC_KEY + "," + OTHER_HMAC_KEY,
                "METRICS_USER=scraper",
                "METRICS_PASS=" + METRICS_PASSWORD);
    }

    private static Map<String, String> agent(String endpoint) {
        return and(
                Map.of(),
                "ENDPOINT=" + endpoint,
                "PCS_SIGN_ALG=hmac",
                "PCS_HMAC_KEY=" + HMAC_KEY,
                "OUTBOX_PATH=state/outbox",
                "DLQ_PATH=state/letters/dlq.jsonl",
                "SPOOL_DIR=spool",
                "BASE_DELAY=20ms",
                "MAX_DELAY=200ms",
                "OUTBOX_MIN_FREE_BYTES=1MiB");
    }

    private static Map<String, String> and(Map<String, String> environment, String... more) {
        Map<String, String> all = new LinkedHashMap<>(environment);
        for (String each : more) {
            String[] sides = each.split("=", 2);
            all.put(sides[0], sides[1]);
        }
        return all;
    }

    private static Path file(String name, String text) throws IOException {
        return Files.writeString(given.resolve(name), text);
    }

    /**
     * Runs both programs concurrently, with accepted, refused and dead-lettered certificates, and with operators'
     * commands.
     */
    private static void liveTogether() throws Exception {
        Map<String, String> environment = and(backend(), "DEBUG=on", "OPS_PORT=0");
        BackendProcess backend = BackendProcess.of(start("backend", "flk-backend", environment));
        Program program = backend.program();
        String url = backend.url();
        Client client = new Client(url);
        assertThat(client.submit(Pcs.number(1).signedBy(HMAC_KEY)).status()).isEqualTo(200);
        assertThat(client.submit(Pcs.number(2).signedBy("somebody else's")).status())
                .isEqualTo(401);
        Client operator = new Client(backend.opsUrl());
        assertThat(operator.get("/metrics").status()).isEqualTo(401);
        SAID.put("backend readiness", operator.get("/readyz").body());
        for (String page : List.of("metrics", "debug/threads", "debug/heap", "debug/jfr?seconds=1")) {
            SAID.put(
                    "backend " + page,
                    operator.withLogin("scraper", METRICS_PASSWORD)
                            .get("/" + page)
                            .body());
        }
        Path log = file("backend.log", program.allLines() + "\n" + HMAC_KEY + " " + SEED_BASE64 + "\n");
        run(
                "backend diagnostics",
                "flk-backend",
                and(backend(), "PORT=" + backend.port()),
                "diagnostics",
                "--output",
                "backend.zip");
        run(
                "agent diagnostics",
                "flk-agent",
                and(agent(url), "PCS_ED25519_PRIV_B64=" + SEED_BASE64),
                "diagnostics",
                "--output",
                "agent.zip",
                "--log",
                log.toString());

        Map<String, String> agent = agent(url);
        Program running = start("agent", "flk-agent", and(agent, "METRICS_PORT=0"), "run");
        running.awaitLine(text -> text.contains("metrics are on port"));
        Files.writeString(left.resolve("three.part"), lines(3, 5) + "no certificate\n" + hopeless());
        Files.move(left.resolve("three.part"), left.resolve("spool/three.ndjson"));
        Client.awaitUntil(() -> running.allLines().contains("to DLQ"));
        run("status", "flk-agent", agent, "status");
        run("doctor", "flk-agent", agent, "doctor");
        assertThat(running.terminate()).isEqualTo(143);
        SAID.put("agent", running.allLines());

        // this agent's key and algorithm differ from those of the backend
        Program refused = start(
                "refused agent",
                "flk-agent",
                and(
                        agent,
                        "PCS_SIGN_ALG=ed25519",
                        "PCS_ED25519_PRIV_B64=" + SEED_BASE64,
                        "OUTBOX_PATH=refused/outbox",
                        "DLQ_PATH=refused/dlq.jsonl"),
                "run");
        Files.writeString(left.resolve("one.part"), lines(6, 6));
        Files.move(left.resolve("one.part"), left.resolve("spool/one.ndjson"));
        refused.awaitLine(text -> text.contains("Signature verification failed"));
        refused.terminate();
        SAID.put("refused agent", refused.allLines());

        assertThat(program.terminate()).isEqualTo(143);
        SAID.put("backend", program.allLines());
    }

    private static String lines(long from, long to) {
        StringBuilder lines = new StringBuilder();
        for (long number = from; number <= to; number++) {
            lines.append(Pcs.number(number).without("sig").json()).append('\n');
        }
        return lines.toString();
    }

    /** Returns a certificate that the agent accepts and the backend refuses. */
    private static String hopeless() {
        return Pcs.number(9).with("seed", "1.5").without("sig").json() + "\n";
    }

    /** Runs the commands that work without a running program. */
    private static void offline() throws IOException {
        Path certificate =
                file("pcs.json", Pcs.number(1).signedBy("somebody else's").json());
        Path key = file("key", HMAC_KEY + "\n");
        Map<String, String> agent = agent("http://" + NOWHERE);
        run("explain", "flk-backend", backend(), "explain", certificate.toString());
        run("wal cat", "flk-backend", backend(), "wal", "cat");
        run("verify", "flk-agent", agent, "verify", "--key", key.toString(), certificate.toString());
        run(
                "sign with the seed",
                "flk-agent",
                and(agent, "PCS_SIGN_ALG=ed25519", "PCS_ED25519_PRIV_B64=" + SEED_BASE64),
                "sign",
                certificate.toString());
        run("outbox cat", "flk-agent", agent, "outbox", "cat", "--json");
    }

    private static void look() throws IOException {
        try (Stream<Path> paths = Files.walk(left)) {
            for (Path path : paths.toList()) {
                PosixFileAttributes attributes =
                        Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
                PERMISSIONS.put(left.relativize(path), PosixFilePermissions.toString(attributes.permissions()));
            }
        }
    }

    /** Returns a secret in all encodings in which a program might write it. */
    private static Set<String> shapes(byte[] secret) {
        String hex = HexFormat.of().formatHex(secret);
        String base64 = Base64.getEncoder().withoutPadding().encodeToString(secret);
        return new TreeSet<>(List.of(
                new String(secret, StandardCharsets.ISO_8859_1),
                hex,
                hex.toUpperCase(Locale.ROOT),
                base64,
                Base64.getUrlEncoder().withoutPadding().encodeToString(secret)));
    }

    /** Returns the content of a file, or the content of its entries if the file is an archive. */
    private static String contents(Path file) throws IOException {
        return file.toString().endsWith(".zip")
                ? String.join("\n", Archive.read(file).values())
                : Files.readString(file, StandardCharsets.ISO_8859_1);
    }

    private static Set<String> places(Map<String, String> everything, String text) {
        Set<String> places = new TreeSet<>(everything.keySet());
        places.removeIf(where -> !everything.get(where).contains(text));
        return places;
    }

    @Test
    void secrets_areInNoOutputAndNoFile() throws Exception {
        Map<String, String> everything = new LinkedHashMap<>(SAID);
        for (Path path : PERMISSIONS.keySet()) {
            if (Files.isRegularFile(left.resolve(path))) {
                everything.put(path.toString(), contents(left.resolve(path)));
            }
        }
        assertThat(everything).hasSizeGreaterThan(40).containsKeys("backend.zip", "agent.zip");

        Set<String> found = new TreeSet<>();
        for (String secret :
                List.of(HMAC_KEY, OTHER_HMAC_KEY, METRICS_PASSWORD, new String(SEED, StandardCharsets.UTF_8))) {
            for (String shape : shapes(secret.getBytes(StandardCharsets.UTF_8))) {
                places(everything, shape).forEach(where -> found.add(where + ": " + shape));
            }
        }
        assertThat(found).isEmpty();
        assertThat(places(everything, Pcs.number(1).id().toString()))
                .as("what is no secret is found")
                .contains("backend", "wal cat", "agent.zip")
                .anyMatch(where -> where.startsWith("data/wal/"));
        assertThat(SAID.get("sign with the seed")).as("the seed was used").contains("\"sig\"");
    }

    @Test
    void createdFiles_umask0_arePrivate() {
        Set<String> wrong = new TreeSet<>();
        PERMISSIONS.forEach((path, permissions) -> {
            boolean ours = path.startsWith("data")
                    || path.startsWith("state")
                    || path.startsWith("refused")
                    || path.toString().endsWith(".zip");
            boolean ofRocksDb = path.startsWith("data/dedup") && !path.endsWith("dedup");
            String wanted = Files.isDirectory(left.resolve(path)) ? "rwx------" : "rw-------";
            if (ours && !ofRocksDb && !permissions.equals(wanted)) {
                wrong.add(path + " " + permissions);
            }
        });
        assertThat(wrong).isEmpty();
        assertThat(PERMISSIONS.keySet().stream().map(Path::toString))
                .contains("data/wal", "data/dedup", "state/outbox", "state/letters/dlq.jsonl");
    }

    @Test
    void temporaryDirectories_stayEmpty() {
        assertThat(PERMISSIONS.keySet().stream()
                        .map(Path::toString)
                        .filter(path -> path.startsWith("tmp/") || path.endsWith(".hprof") || path.contains("hs_err")))
                .isEmpty();
    }

    @Test
    void deploymentFiles_neverDumpTheHeap() throws IOException {
        Path packages = Built.root().resolve("deploy/deb/target");
        List<Path> deployed;
        try (Stream<Path> deploy = Files.walk(Built.root().resolve("deploy"));
                Stream<Path> demo = Files.walk(Built.root().resolve("demo"))) {
            deployed = Stream.concat(
                            Stream.concat(deploy, demo)
                                    .filter(Files::isRegularFile)
                                    .filter(file -> !file.startsWith(packages)),
                            Stream.of(Built.root().resolve("flk")))
                    .toList();
        }
        for (Path file : deployed) {
            assertThat(Files.readString(file, StandardCharsets.UTF_8))
                    .as(file.toString())
                    .doesNotContain("HeapDump");
        }
    }
}
