// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.testing.FreePort;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import redis.embedded.core.ExecutableProvider;

/**
 * What {@code deploy/compose} starts, as plain processes: with the environments, commands, files and secrets that its services get.
 * Only places and ports are other ones, so that it runs beside anything.
 */
final class ComposeStackIT {
    private static final Path HEALTHCHECK = Built.root().resolve("deploy/docker/healthcheck");

    /** Of {@code demo/earthquakes.csv}, in windows of 50. */
    private static final int CERTIFICATES = 35;

    @TempDir
    static Path directory;

    /** What stands in the files, and where it is here. */
    private static final Map<String, String> PLACES = new LinkedHashMap<>();

    private static ComposeFile compose;
    private static Dockerfile images;
    private static Process redis;
    private static int redisPort;
    private static Program backend;
    private static int backendPort;
    private static Program agent;
    private static int agentPort;

    @BeforeAll
    static void start() throws Exception {
        compose = ComposeFile.read();
        images = Dockerfile.read();
        redisPort = FreePort.choose();
        makeSecrets();
        PLACES.put("/data", Files.createDirectory(directory.resolve("redis")).toString());
        PLACES.put("/demo", Built.root().resolve("demo").toString());
        startRedis();
        backend = startService("backend", "flk-backend", Map.of("PORT", "0", "BIND_ADDR", "127.0.0.1"));
        backendPort = portIn(backend.awaitLine(line -> line.contains("listening on ")));
        backend.awaitLine(line -> line.contains("ready: submissions are taken"));
        PLACES.put("http://backend:8080", "http://127.0.0.1:" + backendPort);
        agent = startService("agent", "flk-agent", Map.of("METRICS_PORT", "0"));
        agentPort = portIn(agent.awaitLine(line -> line.contains("metrics on port ")));
    }

    private static void makeSecrets() throws Exception {
        Path script = Files.copy(ComposeFile.DIRECTORY.resolve("make-secrets"), directory.resolve("make-secrets"));
        new HostProgram(script, directory).succeed();
        Path uri = directory.resolve("secrets/redis-uri");
        String here = Files.readString(uri).replace("@redis:6379", "@127.0.0.1:" + redisPort);
        Files.delete(uri);
        Files.writeString(uri, here);
        PLACES.put(ComposeFile.SECRETS, directory.resolve("secrets") + "/");
    }

    private static void startRedis() throws IOException {
        Path program = ExecutableProvider.newJarResourceProvider(directory.toFile())
                .get()
                .toPath();
        Path configuration = Files.writeString(
                directory.resolve("redis.conf"),
                here(Files.readString(ComposeFile.DIRECTORY.resolve("redis.conf")))
                        .replace("port 6379", "port " + redisPort)
                        .replace("bind *", "bind 127.0.0.1"));
        redis = new ProcessBuilder(program.toString(), configuration.toString())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("redis.log").toFile())
                .start();
        await().atMost(Duration.ofSeconds(30)).until(() -> redis("PING").equals("+PONG"));
    }

    /** What it answers to somebody without a password. */
    private static String redis(String command) throws IOException {
        if (!redis.isAlive()) {
            throw new AssertionError(Files.readString(directory.resolve("redis.log")));
        }
        try (var socket = new Socket(InetAddress.getLoopbackAddress(), redisPort)) {
            socket.getOutputStream().write((command + "\r\n").getBytes(StandardCharsets.US_ASCII));
            byte[] answer = new byte[200];
            int length = socket.getInputStream().read(answer);
            return new String(answer, 0, Math.max(0, length), StandardCharsets.US_ASCII).strip();
        } catch (ConnectException notYet) {
            return "";
        }
    }

    /** As its image does, in a directory of its own. */
    private static Program startService(String service, String image, Map<String, String> instead) throws IOException {
        Path data = Files.createDirectory(directory.resolve(service));
        PLACES.put("/var/lib/flk", data.toString());
        List<String> entrypoint = images.words(image, "ENTRYPOINT");
        Map<String, String> environment = environment(service, image);
        environment.putAll(instead);
        return Program.java(
                image,
                data,
                environment,
                entrypoint.subList(1, entrypoint.size() - 2),
                images.words(image, "CMD").toArray(String[]::new));
    }

    private static Map<String, String> environment(String service, String image) {
        Map<String, String> environment = new TreeMap<>(images.pairs(image, "ENV"));
        environment.putAll(compose.environment(service));
        environment.replaceAll((name, value) -> here(value));
        return environment;
    }

    private static String here(String text) {
        String here = text;
        for (Map.Entry<String, String> place : PLACES.entrySet()) {
            here = here.replace(place.getKey(), place.getValue());
        }
        return here;
    }

    private static int portIn(String line) {
        return Integer.parseInt(line.substring(line.lastIndexOf(' ') + 1));
    }

    @AfterAll
    static void stop() throws Exception {
        Stream.of(agent, backend).filter(program -> program != null).forEach(Program::close);
        if (redis != null) {
            redis.destroyForcibly().waitFor();
        }
    }

    @Test
    void healthChecks_passOnTheRealPrograms() throws Exception {
        assertThat(compose.healthTest("redis").get(1)).isEqualTo("redis-cli ping | grep -qx PONG");
        assertThat(redis("PING")).isEqualTo("+PONG");
        List<String> ready = compose.healthTest("backend");
        assertThat(ready.subList(0, 2)).containsExactly("CMD", "/opt/flk/healthcheck");
        for (String path :
                List.of(ready.get(2), images.words("flk-backend", "HEALTHCHECK").get(1))) {
            assertThat(healthcheck("PORT", backendPort, path).exitCode()).isZero();
        }
        String metrics = images.words("flk-agent", "HEALTHCHECK").get(1);
        assertThat(healthcheck("METRICS_PORT", agentPort, metrics).exitCode()).isZero();
        assertThat(runAgent(compose.healthTest("agent"))).contains("agent     runs as process " + agent.pid());
    }

    @Test
    void healthcheck_tellsWhatIsWrong() throws Exception {
        HostProgram.Ended notFound = healthcheck("PORT", backendPort, "/no-such-path");
        assertThat(notFound.exitCode()).isEqualTo(1);
        assertThat(notFound.output()).contains("404", "{\"error\":");
        HostProgram.Ended nobody = healthcheck("PORT", FreePort.choose(), "/health");
        assertThat(nobody.exitCode()).isEqualTo(1);
        assertThat(nobody.output()).contains("refused");
    }

    private static HostProgram.Ended healthcheck(String name, int port, String path) throws Exception {
        return new HostProgram(HEALTHCHECK, directory).run(Map.of(name, Integer.toString(port)), List.of(path));
    }

    /** A command {@code … java OPTION… -jar /opt/flk/flk-agent.jar WORD…} in the agent's environment, to its good end. */
    private static String runAgent(List<String> command) throws Exception {
        int jar = command.indexOf("/opt/flk/flk-agent.jar");
        PLACES.put("/var/lib/flk", directory.resolve("agent").toString());
        try (Program program = Program.java(
                "flk-agent",
                directory,
                environment("agent", "flk-agent"),
                command.subList(command.indexOf("java") + 1, jar - 1),
                command.subList(jar + 1, command.size()).stream()
                        .map(ComposeStackIT::here)
                        .toArray(String[]::new))) {
            assertThat(program.awaitExit()).as(program.allLines()).isZero();
            return program.allLines();
        }
    }

    @Test
    void redis_letsAStrangerDoNothingButPing() throws Exception {
        assertThat(redis("GET flk:outcome:x")).startsWith("-NOPERM");
        assertThat(redis("ACL LIST")).startsWith("-NOPERM");
        assertThat(redis("SHUTDOWN")).startsWith("-NOPERM");
    }

    @Test
    void demo_isCertifiedThroughTheRunningAgent_andEachCertificateIsDecided() throws Exception {
        List<String> command = Stream.concat(
                        images.words("flk-agent", "ENTRYPOINT").stream(), compose.command("demo").stream())
                .toList();
        assertThat(runAgent(command)).contains(CERTIFICATES + " certificates added to the outbox");
        await().atMost(Duration.ofSeconds(30))
                .untilAsserted(() -> assertThat(sample("flk_accepted") + sample("flk_escalated"))
                        .isEqualTo(CERTIFICATES));
        assertThat(sample("flk_accepted")).isGreaterThan(30);
        assertThat(sample("flk_dedup_up")).isEqualTo(1);
    }

    private static double sample(String name) throws Exception {
        Client client = new Client("http://127.0.0.1:" + backendPort);
        assertThat(client.get("/metrics").status()).isEqualTo(401);
        String login = compose.environment("backend").get("METRICS_USER") + ":"
                + Files.readString(directory.resolve("secrets/metrics-password"))
                        .strip();
        return client.send(client.request("/metrics")
                        .header(
                                "Authorization",
                                "Basic " + Base64.getEncoder().encodeToString(login.getBytes(StandardCharsets.UTF_8))))
                .body()
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(name.length() + 1)))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void prometheus_seesAllOfThem_andLoadsTheAlerts() throws Exception {
        HostProgram prometheus = HostProgram.orSkip("prometheus", "prometheus", directory);
        int port = FreePort.choose();
        Path etc = Files.createDirectory(directory.resolve("etc"));
        for (ComposeFile.Mount mount : compose.mounts("prometheus")) {
            if (mount.isOfTheTree()) {
                Files.writeString(
                        etc.resolve(Path.of(mount.target()).getFileName()),
                        here(Files.readString(ComposeFile.DIRECTORY.resolve(mount.source())))
                                .replace("backend:8080", "127.0.0.1:" + backendPort)
                                .replace("agent:9100", "127.0.0.1:" + agentPort)
                                .replace("localhost:9090", "127.0.0.1:" + port)
                                .replace("_interval: 15s", "_interval: 1s"));
            }
        }
        List<String> command = Stream.concat(
                        Stream.of(prometheus.path().toString(), "--web.listen-address=127.0.0.1:" + port),
                        compose.command("prometheus").stream()
                                .map(option -> option.replace("/etc/prometheus", etc.toString())
                                        .replace("=/prometheus", "=" + directory.resolve("series"))))
                .toList();
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("prometheus.log").toFile())
                .start();
        try {
            Client client = new Client("http://127.0.0.1:" + port);
            await().atMost(Duration.ofSeconds(30))
                    .ignoreExceptions()
                    .untilAsserted(() -> assertThat(targets(client))
                            .isEqualTo(Map.of("flk-backend", "up", "flk-agent", "up", "prometheus", "up")));
            assertThat(client.get("/-/ready").status()).isEqualTo(200);
            assertThat(client.get("/api/v1/rules").body()).contains("\"HighEscalationRate\"", "\"AgentBreakerOpen\"");
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    private static Map<String, String> targets(Client client) throws Exception {
        Map<String, String> health = new TreeMap<>();
        JsonNode active = StrictJson.read(client.get("/api/v1/targets").body())
                .path("data")
                .path("activeTargets");
        active.forEach(target -> health.put(
                target.path("labels").path("job").asText(),
                target.path("health").asText()));
        return health;
    }
}
