// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.testing.FreePort;
import dev.flk.backend.testing.RedisServer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A directory in which the commands of the docs can be run as they stand: with {@code ./flk}, a backend on Redis and an agent that run,
 * their configuration, their logs, and certificates of every kind that the docs speak of.
 */
final class DocsSandbox implements AutoCloseable {
    private static final Pattern METRICS_PORT = Pattern.compile("metrics on port ([0-9]+)");

    private final Path directory;
    private final DocsShell shell;
    private final RedisServer redis;
    private final BackendProcess backend;
    private final Program agent;
    private final Map<String, String> places = new LinkedHashMap<>();
    private final String dead;
    private final String decided;

    DocsSandbox(Path directory) throws Exception {
        this.directory = directory.toRealPath();
        shell = DocsShell.in(this.directory);
        redis = RedisServer.start(directory.resolve("redis"), RedisStoreServer.DURABLE.toArray(String[]::new));
        write("flk.properties", """
                PCS_SIGN_ALG=hmac
                PCS_HMAC_KEY=%s
                TOKEN_RATE=100000
                DEDUP_BACKEND=redis
                REDIS_ADDR=127.0.0.1:%d
                WAL_DIR=data/wal
                """.formatted(Pcs.KEY, redis.port()));
        backend = BackendProcess.of(Program.java(
                "flk-backend",
                this.directory,
                Map.of("PORT", "0", "BIND_ADDR", "127.0.0.1"),
                Program.QUICK_START,
                "--config",
                "flk.properties"));
        int intake = FreePort.choose();
        write("agent.properties", """
                ENDPOINT=%s
                PCS_SIGN_ALG=hmac
                PCS_HMAC_KEY=%s
                OUTBOX_PATH=outbox
                DLQ_PATH=dlq.jsonl
                SPOOL_DIR=spool
                INTAKE_SOCKET=intake.sock
                INTAKE_PORT=%d
                METRICS_PORT=0
                SHARD_ID=shard-1
                """.formatted(backend.url(), Pcs.KEY, intake));
        agent = Program.java(
                "flk-agent", this.directory, Map.of(), Program.QUICK_START, "run", "--config", "agent.properties");
        Matcher metrics = METRICS_PORT.matcher(
                agent.awaitLine(line -> METRICS_PORT.matcher(line).find()));
        assertThat(metrics.find()).isTrue();
        places.put("http://localhost:9100", "http://127.0.0.1:" + metrics.group(1));
        places.put("http://localhost:8080", backend.url());
        places.put("http://localhost:8081", "http://127.0.0.1:" + intake);
        places.put("/run/flk-agent/intake.sock", "intake.sock");
        decided = Pcs.number(1).id().toString();
        dead = Pcs.number(2).with("regime", "\"none\"").id().toString();
        fill();
    }

    private void fill() throws Exception {
        Client client = new Client(backend.url());
        assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
        assertThat(client.submit(Pcs.number(1).with("r", "0.7")).status()).isEqualTo(200);
        assertThat(client.submit(Pcs.number(3).with("regime", "\"sticky\"")).status())
                .isEqualTo(202);
        assertThat(client.submit(Pcs.number(4).signedBy("another")).status()).isEqualTo(401);
        write("pcs.json", Pcs.number(5).json());
        write("signed.json", Pcs.number(5).json());
        write("refused.json", Pcs.number(6).signedBy("another").json());
        write("many.ndjson", Pcs.number(7).json() + "\n" + Pcs.number(8).json() + "\n");
        write("key.properties", "PCS_SIGN_ALG=hmac\nPCS_HMAC_KEY=" + Pcs.KEY + "\n");
        write("old.key", "another");
        write(
                "dead.json",
                Pcs.number(2).with("regime", "\"none\"").without("sig").json());
        assertThat(shell.run("./flk agent submit --config agent.properties dead.json", Map.of())
                        .exitCode())
                .isZero();
        agent.awaitLine(line -> line.contains("Added " + dead + " to DLQ"));
        write("backend.log", backend.program().allLines() + "\n");
        write("agent.log", agent.allLines() + "\n");
    }

    private void write(String name, String text) throws IOException {
        Files.writeString(directory.resolve(name), text);
    }

    /** A directory of its own for a page, so that the files that one writes are not those of another; log and outbox are the same. */
    DocsShell shellOf(String page) throws IOException {
        Path own = Files.createDirectory(directory.resolve("of-" + page.replace('/', '-')));
        DocsShell made = DocsShell.in(own);
        Files.delete(own.resolve("spool"));
        for (String shared :
                List.of("data", "outbox", "dlq.jsonl", "spool", "intake.sock", "backend.log", "agent.log")) {
            Files.createSymbolicLink(own.resolve(shared), directory.resolve(shared));
        }
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.filter(each -> each.toString().matches(".*\\.(?:json|ndjson|properties|key)"))
                    .toList()) {
                Files.copy(file, own.resolve(file.getFileName()));
            }
        }
        return made;
    }

    /** Copies the log into a directory, as a backend that is stopped would have left it. */
    void copyTheLog(Path copy) throws IOException {
        Files.createDirectories(copy);
        try (Stream<Path> files = Files.list(directory.resolve("data/wal"))) {
            for (Path file : files.filter(each -> !each.endsWith("lock")).toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
    }

    /** What the docs have their readers set. */
    Map<String, String> variables() {
        return Map.of("BACKEND", backend.url(), "BACKEND_LOG", "backend.log", "AGENT_LOG", "agent.log");
    }

    /** A command with what stands for something in its place. */
    String settled(String command) {
        String settled = command;
        for (Map.Entry<String, String> place : places.entrySet()) {
            settled = settled.replace(place.getKey(), place.getValue());
        }
        return settled.replace("PCS_ID", command.contains("dlq") ? dead : decided)
                .replaceAll("--from SEQ", "--from 1")
                .replaceAll("--reason TEXT", "--reason regime");
    }

    @Override
    public void close() {
        agent.close();
        backend.close();
        redis.close();
    }
}
