// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** {@code docs/openapi.yaml}: backends are brought to every answer that it describes, and each is as described. */
@Tag("thorough")
final class OpenApiIT {
    private static final Path DOCUMENT = Built.root().resolve("docs/openapi.yaml");

    /** The secret that the examples are signed with. */
    private static final String EXAMPLE_KEY = "an example of a secret";

    private static final String SUBMIT = "POST /v1/pcs/submit";
    private static final String BATCH = "POST /v1/pcs/batch";
    private static final String LOOK_UP = "GET /v1/pcs/{pcs_id}";
    private static final String METRICS = "GET /metrics";
    private static final String READY = "GET /readyz";
    private static final List<String> OPERATIONS = List.of(SUBMIT, BATCH, LOOK_UP, "GET /health", READY, METRICS);

    private static final String FAULT =
            "only a fault of the program brings it about; what the answer is like is the same code as for 500 of submit";

    /** What is described, and that no test here brings a backend to. */
    private static final Map<String, String> NOT_DRIVEN = Map.of(
            BATCH + " 500",
            FAULT,
            LOOK_UP + " 500",
            FAULT,
            METRICS + " 500",
            FAULT,
            METRICS + " 503",
            "it takes clients that do not read megabytes of answers: ManyConnectionsIT has them");

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(
            Map.of(
                    "PCS_HMAC_KEYS", EXAMPLE_KEY,
                    "BODY_TIMEOUT", "200ms",
                    "METRICS_USER", "prometheus",
                    "METRICS_PASS", "secret"),
            Program.QUICK_START.toArray(String[]::new));

    @TempDir
    static Path directory;

    private static final AtomicLong NEXT = new AtomicLong(1);
    private static final Map<String, BackendProcess> OTHERS = new HashMap<>();

    private static OpenApi document;
    private static Map<String, Case> cases;

    /** What is sent to a backend for an answer. */
    private interface Case {
        Answer answer() throws Exception;
    }

    @BeforeAll
    static void read() throws IOException {
        document = OpenApi.read(DOCUMENT);
        cases = new LinkedHashMap<>();
        addCertificates();
        addOperations();
        addRefusals();
    }

    @AfterAll
    static void closeOthers() {
        OTHERS.values().forEach(BackendProcess::close);
    }

    @Test
    void document_isOpenApiAsAValidatorHasIt() {
        assertThat(document.at("/openapi").asText()).startsWith("3.1.");
        assertThat(document.mistakes()).isEmpty();
    }

    @Test
    void everyDescribedAnswer_isBroughtAbout_orItIsSaidWhyNot() {
        Set<String> told = cases.keySet().stream()
                .map(OpenApiIT::withoutItsName)
                .filter(name -> !name.startsWith("-"))
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(told).doesNotContainAnyElementsOf(NOT_DRIVEN.keySet());
        told.addAll(NOT_DRIVEN.keySet());
        assertThat(told).isEqualTo(document.described());
    }

    @TestFactory
    Stream<DynamicTest> answers_areAsDescribed() {
        return cases.entrySet().stream()
                .map(each -> DynamicTest.dynamicTest(each.getKey(), () -> {
                    String described = withoutItsName(each.getKey());
                    Answer answer = each.getValue().answer();
                    assertThat(answer.status())
                            .as(answer.body())
                            .isEqualTo(Integer.parseInt(described.substring(described.length() - 3)));
                    assertThat(document.objections(place(described), answer)).isEmpty();
                }));
    }

    private static String withoutItsName(String name) {
        return name.replaceAll(":.*", "");
    }

    /** Where an answer is described; what belongs to no operation has its name for itself. */
    private static String place(String described) {
        return described.startsWith("-")
                ? "/components/responses/" + described.substring(2, described.length() - 4)
                : document.response(described);
    }

    private static void addCertificates() {
        cases.put(SUBMIT + " 200: first", () -> submit(next()));
        cases.put(SUBMIT + " 200: duplicate", () -> {
            Pcs pcs = next();
            submit(pcs);
            return marked(submit(pcs), "x-flk-duplicate");
        });
        cases.put(SUBMIT + " 200: conflict", () -> {
            Pcs pcs = next();
            submit(pcs);
            return marked(submit(pcs.with("r", "0.7")), "x-flk-conflict");
        });
        cases.put(SUBMIT + " 202: escalated", () -> submit(next().with("regime", "\"sticky\"")));
        cases.put(SUBMIT + " 202: degraded", () -> submit(next().with("ft", "{\"degraded\":true}")));
        cases.put(SUBMIT + " 202: rejected", () -> submit(next().with("N_j", "{\"2\":1}")));
        cases.put(SUBMIT + " 202: duplicate", () -> {
            Pcs pcs = next().with("r", "2");
            submit(pcs);
            return marked(submit(pcs), "x-flk-duplicate");
        });
        cases.put(SUBMIT + " 400: malformed", () -> client().post("/v1/pcs/submit", bytes("{")));
        cases.put(SUBMIT + " 400: clock", () -> submit(next().with("sent_at", "\"2999-01-01T00:00:00Z\"")));
        cases.put(SUBMIT + " 401: no signature", () -> submit(next().without("sig")));
        cases.put(
                BATCH + " 200: every kind of line",
                () -> batch(Stream.of(
                                next(), next().with("r", "2"), next().without("sig"), Pcs.number(0), Pcs.number(0))
                        .map(Pcs::json)
                        .collect(Collectors.joining("\n", "{\n", "\n" + " ".repeat((1 << 20) + 1)))));
        cases.put(BATCH + " 200: limited", () -> {
            Client limited = new Client(limited().url());
            return asLines(limited.batch("{\n{\n"));
        });
        cases.put(BATCH + " 400: no line", () -> client().batch(""));
        cases.put(BATCH + " 413: lines", () -> client().batch("\n".repeat(1001)));
        cases.put(LOOK_UP + " 200: accepted", () -> {
            submit(Pcs.number(0));
            return client().get(path(Pcs.number(0)));
        });
        cases.put(LOOK_UP + " 200: rejected", () -> {
            Pcs pcs = next().with("N_j", "{}");
            submit(pcs);
            return client().get(path(pcs));
        });
        cases.put(LOOK_UP + " 400: no id", () -> client().get("/v1/pcs/x"));
        cases.put(LOOK_UP + " 404: unknown", () -> client().get("/v1/pcs/" + "ab".repeat(32)));
    }

    private static void addOperations() {
        cases.put("GET /health 200: serving", () -> client().get("/health"));
        cases.put(READY + " 200: ready", () -> client().get("/readyz"));
        cases.put(METRICS + " 200: text", () -> metrics("*/*"));
        cases.put(METRICS + " 200: OpenMetrics", () -> metrics("application/openmetrics-text"));
        cases.put(METRICS + " 401: no login", () -> client().get("/metrics"));
        cases.put("- NotFound 404: path", () -> client().get("/nowhere"));
        cases.put("- MethodNotAllowed 405: POST only", () -> client().get("/v1/pcs/batch"));
        cases.put("- MethodNotAllowed 405: GET only", () -> client().post("/metrics", bytes("")));
    }

    private static void addRefusals() {
        cases.put(BATCH + " 429: address", () -> {
            Client held = new Client(held().url());
            held.submit(bytes("{"));
            return held.batch("{\n{\n");
        });
        cases.put(SUBMIT + " 429: limited", () -> {
            Client limited = new Client(limited().url());
            limited.submit(Pcs.number(1));
            return limited.submit(Pcs.number(2));
        });
        cases.put(SUBMIT + " 500: log append failed", () -> {
            Client failing = new Client(failing().url());
            Answer answer = failing.submit(large());
            for (int i = 0; answer.status() == 200 && i < 20; i++) {
                answer = failing.submit(large());
            }
            return saying("log append failed", answer);
        });
        cases.put(
                SUBMIT + " 503: disk full",
                () -> saying("disk full", new Client(withoutRoom().url()).submit(next())));
        cases.put(READY + " 503: disk full", () -> {
            Client full = new Client(withoutRoom().url());
            full.submit(next());
            return full.get("/readyz");
        });
        cases.put(
                SUBMIT + " 503: dedup store unavailable",
                () -> saying("dedup store unavailable", new Client(storeless().url()).submit(next())));
        cases.put(
                LOOK_UP + " 503: dedup store unavailable",
                () -> saying("dedup store unavailable", new Client(storeless().url()).get(path(Pcs.number(0)))));
        cases.put(READY + " 503: store", () -> new Client(storeless().url()).get("/readyz"));
        cases.put(SUBMIT + " 503: overloaded", () -> {
            Client small = new Client(small().url());
            small.submit(Pcs.number(1));
            return saying("overloaded", small.submit(Pcs.number(2)));
        });
        cases.put(
                BATCH + " 503: overloaded",
                () -> saying("overloaded", new Client(small().url()).batch("\n".repeat(20_000))));
        for (String operation : OPERATIONS) {
            addHttp(operation);
        }
        for (String operation : List.of(SUBMIT, BATCH)) {
            cases.put(
                    operation + " 415: unknown",
                    () -> client().send(client().request(target(operation))
                            .header("Content-Encoding", "br")
                            .POST(BodyPublishers.ofString("{}"))));
            int tooMany = operation.equals(BATCH) ? (8 << 20) + 1 : (1 << 20) + 1;
            cases.put(operation + " 413: bytes", () -> raw(head(operation, "Content-Length: " + tooMany + "\r\n\r\n")));
        }
    }

    /** What is wrong with a request as HTTP, whatever it is for. */
    private static void addHttp(String operation) {
        String line = operation.replace(LOOK_UP, "GET /v1/pcs/" + "ab".repeat(32));
        String host = "Host: e2e\r\n";
        cases.put(operation + " 400: no host", () -> raw(line + " HTTP/1.1\r\n\r\n"));
        cases.put(operation + " 408: slow", () -> raw(head(operation, "Content-Length: 9\r\n\r\n{")));
        cases.put(
                operation + " 414: long",
                () -> raw(line + "?" + "x".repeat(9 << 10) + " HTTP/1.1\r\n" + host + "\r\n"));
        cases.put(operation + " 431: large", () -> raw(head(operation, "X: " + "x".repeat(17 << 10) + "\r\n\r\n")));
        cases.put(operation + " 501: coding", () -> raw(head(operation, "Transfer-Encoding: gzip, chunked\r\n\r\n")));
        cases.put(operation + " 505: version", () -> raw(line + " HTTP/2.0\r\n" + host + "\r\n"));
        if (operation.startsWith("GET")) {
            String part = "100000\r\n" + "x".repeat(1 << 20) + "\r\n";
            cases.put(
                    operation + " 413: bytes",
                    () -> raw(head(operation, "Transfer-Encoding: chunked\r\n\r\n" + part + "1\r\nx\r\n")));
        }
    }

    @Test
    void head_isAnsweredLikeGetWithoutTheBody() throws Exception {
        for (String operation : OPERATIONS.subList(2, 5)) {
            Answer get = client().get(target(operation));
            Answer head = client().send(client().request(target(operation)).method("HEAD", BodyPublishers.noBody()));
            assertThat(head.status()).as(operation).isEqualTo(get.status());
            assertThat(head.body()).isEmpty();
            assertThat(head.headers().map().keySet())
                    .isEqualTo(get.headers().map().keySet());
        }
    }

    @Test
    void examples_areAsTheirSchemasSay() {
        List<String> broken = new ArrayList<>();
        int examples = 0;
        List<String> open = new ArrayList<>(List.of("/paths", "/components"));
        while (!open.isEmpty()) {
            String pointer = open.remove(0);
            JsonNode node = document.at(pointer);
            if (node.has("examples")) {
                for (Map.Entry<String, JsonNode> example : node.path("examples").properties()) {
                    examples++;
                    broken.addAll(document.violations(
                            pointer + "/schema", example.getValue().path("value")));
                }
            } else {
                node.fieldNames().forEachRemaining(name -> open.add(pointer + "/" + name.replace("/", "~1")));
            }
        }
        assertThat(broken).isEmpty();
        assertThat(examples).isGreaterThan(30);
    }

    @Test
    void examples_areAnsweredAsTheExamplesSay() throws Exception {
        String submit = "/paths/~1v1~1pcs~1submit/post";
        for (Map.Entry<String, JsonNode> sent : document.at(submit + "/requestBody/content/application~1json/examples")
                .properties()) {
            String status = sent.getKey().equals("accepted") ? "200" : "202";
            JsonNode expected = document.at(submit + "/responses/" + status + "/content/application~1json/examples/"
                    + sent.getKey() + "/value");
            Answer answer = client().submit(bytes(sent.getValue().path("value").toString()));
            assertThat(answer.status()).as(sent.getKey()).isEqualTo(Integer.parseInt(status));
            assertThat(StrictJson.read(answer.body())).isEqualTo(expected);
        }
        String batch = "/paths/~1v1~1pcs~1batch/post";
        String lines = document.at(batch + "/requestBody/content/application~1x-ndjson/examples/two/value")
                .textValue();
        String answered = document.at(batch + "/responses/200/content/application~1x-ndjson/examples/two/value")
                .textValue();
        assertThat(client().batch(lines).body().replace(",\"duplicate\":true", ""))
                .isEqualTo(answered);
    }

    @Test
    void certificates_thatAreTaken_areAsTheSchemaSays_andOthersAreNot() {
        String schema = "/components/schemas/Certificate";
        assertThat(document.violations(schema, StrictJson.read(Pcs.number(1).json())))
                .isEmpty();
        for (String field : List.of("pcs_id", "shard_id", "epoch", "scales", "N_j", "D_hat", "regime", "merkle_root")) {
            assertThat(document.violations(
                            schema, StrictJson.read(Pcs.number(1).without(field).json())))
                    .as(field)
                    .isNotEmpty();
            assertThat(document.violations(
                            schema,
                            StrictJson.read(
                                    Pcs.number(1).tampered(field, "true").json())))
                    .as(field)
                    .isNotEmpty();
        }
    }

    private static Client client() {
        return backend.client();
    }

    private static Pcs next() {
        return Pcs.number(NEXT.getAndIncrement());
    }

    private static byte[] large() {
        return next().with("x_fill", "\"" + "x".repeat(1_000_000) + "\"").bytes();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Answer submit(Pcs pcs) throws Exception {
        return client().submit(pcs);
    }

    private static Answer marked(Answer answer, String mark) {
        assertThat(answer.marks()).containsKey(mark);
        return answer;
    }

    private static Answer saying(String error, Answer answer) {
        assertThat(answer.error()).isEqualTo(error);
        return answer;
    }

    private static Answer batch(String lines) throws Exception {
        return asLines(client().batch(lines));
    }

    /** Each line is held to its schema here, since the document can't say that it is one of many. */
    private static Answer asLines(Answer answer) {
        assertThat(answer.body().lines())
                .isNotEmpty()
                .allSatisfy(
                        line -> assertThat(document.violations("/components/schemas/BatchLine", StrictJson.read(line)))
                                .isEmpty());
        return answer;
    }

    private static Answer metrics(String accept) throws Exception {
        String login = Base64.getEncoder().encodeToString(bytes("prometheus:secret"));
        return client().send(client().request("/metrics")
                .header("Accept", accept)
                .header("Authorization", "Basic " + login)
                .GET());
    }

    private static String target(String operation) {
        return operation.substring(operation.indexOf(' ') + 1).replace("{pcs_id}", "ab".repeat(32));
    }

    private static String path(Pcs pcs) {
        return "/v1/pcs/" + pcs.id();
    }

    private static String head(String operation, String rest) {
        return operation.substring(0, operation.indexOf(' ')) + " " + target(operation) + " HTTP/1.1\r\nHost: e2e\r\n"
                + rest;
    }

    private static Answer raw(String request) throws IOException {
        try (RawConnection connection = backend.connect()) {
            return connection.send(request).read();
        }
    }

    private static BackendProcess limited() throws IOException {
        return other("limited", Map.of("TOKEN_RATE", "0.001", "TOKEN_BURST", "1"));
    }

    /** An address may have one refused. */
    private static BackendProcess held() throws IOException {
        return other("held", Map.of("ADDRESS_FAILURE_RATE", "0.001", "ADDRESS_FAILURE_BURST", "1"));
    }

    private static BackendProcess withoutRoom() throws IOException {
        return other("full", Map.of("WAL_MIN_FREE_BYTES", "1000000GiB"));
    }

    private static BackendProcess storeless() throws IOException {
        return other("storeless", Map.of("DEDUP_BACKEND", "redis", "REDIS_ADDR", "127.0.0.1:9"));
    }

    /** Little memory, and room for one outcome. */
    private static BackendProcess small() throws IOException {
        return other("small", Map.of("DEDUP_BACKEND", "memory", "MEMORY_MAX_ENTRIES", "1", "MAX_BATCH", "100000"));
    }

    private static synchronized BackendProcess other(String name, Map<String, String> more) throws IOException {
        BackendProcess known = OTHERS.get(name);
        if (known == null) {
            List<String> jvm = new ArrayList<>(Program.QUICK_START);
            jvm.add("-Xmx64m");
            known = BackendProcess.start(Files.createDirectory(directory.resolve(name)), more, jvm);
            OTHERS.put(name, known);
        }
        return known;
    }

    /** One whose files can't get longer than 6 MiB. */
    private static synchronized BackendProcess failing() throws IOException {
        BackendProcess known = OTHERS.get("failing");
        if (known == null) {
            Map<String, String> environment = BackendProcess.environment();
            environment.put("DEDUP_BACKEND", "memory");
            known = BackendProcess.of(Program.limited(
                    "ulimit -f 12288",
                    "flk-backend",
                    Files.createDirectory(directory.resolve("failing")),
                    environment));
            OTHERS.put("failing", known);
        }
        return known;
    }
}
