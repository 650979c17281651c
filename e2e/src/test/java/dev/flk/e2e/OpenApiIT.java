// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.canonical.Sha256;
import dev.flk.e2e.Client.Answer;
import dev.flk.http.BodyMark;
import dev.flk.sample.Pcs;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.message.MessageSigner;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests that {@code docs/openapi.yaml} and its examples are valid. The contract tests compare their answers with this
 * document ({@link RunningBackend#client}).
 */
final class OpenApiIT {
    private static final OpenApi DOCUMENT = OpenApi.document();

    /** The tokens in {@link #TOKENS}, by the client names in the tables below. */
    private static final Map<String, String> BEARERS = Map.of("operator", "an operator", "reader", "a reader");

    private static final String TOKENS = """
            {"version": 1, "tokens": [
              {"name": "operator", "sha256": "%s", "read": ["sessions/"], "write": ["sessions/pump"]},
              {"name": "reader", "sha256": "%s", "read": ["sessions/pump"]}]}\
            """.formatted(digest("operator"), digest("reader"));

    /**
     * Session requests in the order in which they are sent. The columns are status, method, path, client, headers and
     * body.
     */
    private static final String REQUESTS = """
            201 | PUT    | /v1/sessions/pump-7         | operator | If-None-Match: *  | {"pending":0}
            412 | PUT    | /v1/sessions/pump-7         | operator | If-None-Match: *  | {}
            412 | PUT    | /v1/sessions/pump-7         | operator | If-Match: "9"     | {}
            200 | PUT    | /v1/sessions/pump-7         | operator | If-Match: "1"     | {"pending":1}
            200 | PUT    | /v1/sessions/pump-7/notes   | operator |                   | {}
            200 | PUT    | /v1/sessions/pump-7%2Fnotes | operator | If-Match: "1"     | {"note":"ä"}
            200 | PUT    | /v1/sessions/valve          | agent    |                   | {}
            400 | PUT    | /v1/sessions/pump-7         | operator | If-Match: 7       | {}
            400 | PUT    | /v1/sessions/pump-7         | operator | If-Match: "0"     | {}
            400 | PUT    | /v1/sessions/pump-7         | operator |                   | []
            400 | PUT    | /v1/sessions//              | operator |                   | {}
            401 | PUT    | /v1/sessions/pump-7         | nobody   |                   | {}
            403 | PUT    | /v1/sessions/valve          | operator |                   | {}
            413 | PUT    | /v1/sessions/pump-7         | operator |                   | LONG
            200 | GET    | /v1/sessions/pump-7         | operator |                   |
            200 | GET    | /v1/sessions/valve          | agent    |                   |
            400 | GET    | /v1/sessions/%00            | operator |                   |
            401 | GET    | /v1/sessions/pump-7         | nobody   |                   |
            403 | GET    | /v1/sessions/valve          | reader   |                   |
            404 | GET    | /v1/sessions/pump           | operator |                   |
            200 | GET    | /v1/sessions                | operator |                   |
            200 | GET    | /v1/sessions?prefix=pump&silent=0&limit=1 | reader |       |
            200 | GET    | /v1/sessions?prefix=pump&page=pump-7      | reader |       |
            400 | GET    | /v1/sessions?limit=0        | operator |                   |
            401 | GET    | /v1/sessions                | nobody   |                   |
            403 | GET    | /v1/sessions                | reader   |                   |
            400 | GET    | /v1/sessions/changes        | operator | Last-Event-ID: 7  |
            400 | GET    | /v1/sessions/changes?page=a | operator |                   |
            401 | GET    | /v1/sessions/changes        | nobody   |                   |
            403 | GET    | /v1/sessions/changes        | reader   |                   |
            400 | DELETE | /v1/sessions/pump-7         | operator | If-Match: 7       |
            401 | DELETE | /v1/sessions/pump-7         | nobody   |                   |
            403 | DELETE | /v1/sessions/valve          | operator |                   |
            412 | DELETE | /v1/sessions/pump-7         | operator | If-Match: "9"     |
            200 | DELETE | /v1/sessions/pump           | operator |                   |
            200 | DELETE | /v1/sessions/valve          | agent    |                   |
            200 | DELETE | /v1/sessions/pump-7         | operator | If-Match: "2"     |
            404 | GET    | /v1/sessions/pump-7         | operator |                   |
            """;

    private static final String WHILE_DOWN = """
            503 | PUT    | /v1/sessions/pump-7         | agent    |                   | {}
            503 | GET    | /v1/sessions/pump-7         | agent    |                   |
            503 | DELETE | /v1/sessions/pump-7         | agent    |                   |
            503 | GET    | /v1/sessions                | operator |                   |
            503 | GET    | /v1/sessions/changes        | operator |                   |
            """;

    private static final String AFTER_FAILURES = """
            429 | PUT    | /v1/sessions/pump-7         | agent    |                   | {}
            429 | GET    | /v1/sessions/pump-7         | agent    |                   |
            429 | DELETE | /v1/sessions/pump-7         | agent    |                   |
            429 | GET    | /v1/sessions                | nobody   |                   |
            429 | GET    | /v1/sessions/changes        | nobody   |                   |
            """;

    private static final String WHILE_OFF = """
            404 | PUT    | /v1/sessions/pump-7         | agent    |                   | {}
            404 | GET    | /v1/sessions/pump-7         | agent    |                   |
            404 | DELETE | /v1/sessions/pump-7         | agent    |                   |
            404 | GET    | /v1/sessions                | operator |                   |
            404 | GET    | /v1/sessions/changes        | operator |                   |
            """;

    /** Requests about agents in the order in which they are sent. */
    private static final String REPORTS = """
            200 | PUT | /v1/agents/pump-7          | agent  |                            | {"sent_at":"2100-01-31T12:00:00Z"}
            409 | PUT | /v1/agents/pump-7          | agent  |                            | {"sent_at":"2026-01-31T12:00:00Z"}
            400 | PUT | /v1/agents/pump-7          | agent  |                            | []
            400 | PUT | /v1/agents/pump-7%2Fnotes  | agent  |                            | {}
            401 | PUT | /v1/agents/pump-7          | nobody |                            | {}
            403 | PUT | /v1/agents/pump-7          | agent  | Sec-Fetch-Site: cross-site | {}
            413 | PUT | /v1/agents/pump-7          | agent  |                            | LONG
            200 | GET | /v1/agents                 | nobody |                            |
            200 | GET | /v1/agents?silent=0s&limit=1&prefix=pump&page=a | nobody | |
            400 | GET | /v1/agents?limit=0         | nobody |                            |
            403 | GET | /v1/agents                 | nobody | Sec-Fetch-Site: cross-site |
            """;

    /** The statuses of HTTP requests that are invalid, too slow, too large or not supported, and of internal errors. */
    private static final Set<Integer> OF_EVERY_PATH = Set.of(408, 413, 414, 415, 431, 500, 501, 505);

    @RegisterExtension
    static final RunningBackend backend =
            RunningBackend.with(Map.of("PCS_HMAC_KEYS", "an example of a secret", "BODY_TIMEOUT", "200ms"));

    /** Checks that the marks of refusals are as documented; {@link Client#comparing} compares each answer. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "400 | submit | {",
                "401 | submit | UNSIGNED",
                "413 | submit | LONG",
                "400 | batch  | ''",
                "413 | batch  | LINES",
                "200 | batch  | {"
            })
    void marks_areAsDocumented(int status, String path, String body) throws Exception {
        byte[] sent = body.replace("UNSIGNED", Pcs.number(1).without("sig").json())
                .replace("LONG", "x".repeat((1 << 20) + 1))
                .replace("LINES", "\n".repeat(1_001))
                .getBytes(UTF_8);

        Answer answer = backend.client()
                .send(backend.client()
                        .request("/v1/pcs/" + path)
                        .header("Content-Digest", BodyMark.header(Sha256.of(sent)))
                        .POST(BodyPublishers.ofByteArray(sent)));

        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.body()).contains("\"body_sha256\":\"" + HexFormat.of().formatHex(Sha256.of(sent)) + "\"");
    }

    @Test
    void document_isValidOpenApi() {
        assertThat(DOCUMENT.at("/openapi").asText()).startsWith("3.1.");
        assertThat(DOCUMENT.mistakes()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "400, HTTP/1.1~~",
        "408, HTTP/1.1~Host: e2e~Content-Length: 9~~{",
        "413, HTTP/1.1~Host: e2e~Content-Length: 999999999~~",
        "415, HTTP/1.1~Host: e2e~Content-Encoding: br~Content-Length: 2~~{}",
        "431, HTTP/1.1~Host: e2e~X: LONG~~",
        "501, 'HTTP/1.1~Host: e2e~Transfer-Encoding: gzip, chunked~~'",
        "505, HTTP/2.0~Host: e2e~~"
    })
    void malformedHttpRequest_isAnsweredAsDescribed(int status, String rest) throws IOException {
        for (String line : List.of("POST /v1/pcs/submit", "POST /v1/pcs/batch", "PUT /v1/agents/agent")) {
            try (RawConnection connection = backend.connect()) {
                Answer answer = connection
                        .send(line + " " + rest.replace("~", "\r\n").replace("LONG", "x".repeat(17 << 10)))
                        .read();
                assertThat(answer.status()).isEqualTo(status);
                String[] parts = line.split(" ", -1);
                DOCUMENT.require(parts[0], parts[1], answer);
            }
        }
    }

    /**
     * Checks that every described path exists, and that {@code Allow} lists its methods. A missing path would be
     * answered 404.
     */
    @Test
    void paths_haveTheDescribedMethods(@TempDir Path directory) throws Exception {
        try (ServedBackend state = StateInJvm.start(directory, Map.of())) {
            requirePaths(backend.client(), DOCUMENT.paths("01234567", false));
            requirePaths(new Client(state.url()), DOCUMENT.paths("01234567", true));
        }
    }

    private static void requirePaths(Client client, List<String> paths) throws Exception {
        assertThat(paths).hasSizeGreaterThan(2);
        for (String path : paths) {
            Answer answer = client.send(client.request(path).method("PATCH", BodyPublishers.noBody()));

            assertThat(answer.status()).as(path).isEqualTo(405);
            assertThat(answer.header("Allow").replace("GET, HEAD", "GET").split(", "))
                    .as(path)
                    .containsExactlyInAnyOrderElementsOf(DOCUMENT.methods(path));
        }
    }

    @Test
    void storeAndAddressRefusals_areAnsweredAsDescribed(@TempDir Path directory) throws Exception {
        BackendInJvm.createLog(directory);
        try (ServedBackend storeless = BackendInJvm.start(
                directory,
                Map.of(
                        "DEDUP_BACKEND", "redis",
                        "REDIS_ADDR", "127.0.0.1:9",
                        "ADDRESS_FAILURE_RATE", "0.001",
                        "ADDRESS_FAILURE_BURST", "1"))) {
            Client client = Client.comparing(storeless.url());
            assertThat(client.submit(Pcs.number(1)).error()).isEqualTo("dedup store unavailable");
            assertThat(client.get("/v1/pcs/" + Pcs.number(1).id()).status()).isEqualTo(503);
            assertThat(client.get("/readyz").status()).isEqualTo(503);
            assertThat(client.batch("{").status()).isEqualTo(200);
            assertThat(client.batch("{\n{\n").status()).isEqualTo(429);
            ask(client, "429 | PUT | /v1/agents/pump-7 | agent | | {}");
        }
    }

    @Test
    void sessionsWithoutTheirStore_areAnsweredAsDescribed(@TempDir Path directory) throws Exception {
        try (ServedBackend storeless = StateInJvm.start(
                directory,
                Map.of(
                        "STATE_ENGINE", "postgres",
                        "STATE_TOKENS_FILE", tokensIn(directory),
                        "POSTGRES_CONN", "postgresql://127.0.0.1:9/none"))) {
            Client client = Client.comparing(storeless.url());
            awaitStarted(client);
            ask(client, WHILE_DOWN);
            for (String[] cells : rows(AFTER_FAILURES)) {
                Client.awaitUntil(() -> {
                    int refused = client.send(client.request("/v1/sessions")).status();
                    return refused == 429 && answer(client, cells).status() == 429;
                });
            }
        }
    }

    /** Waits until the program serves the sessions; a request without credentials would count against the address. */
    private static void awaitStarted(Client client) {
        Client.awaitUntil(
                () -> !client.send(asOperator(client, "/v1/sessions")).error().contains("still starting"));
    }

    @Test
    void sessionsOff_areAnsweredAsDescribed(@TempDir Path directory) throws Exception {
        try (ServedBackend off = StateInJvm.start(directory, Map.of("SESSION_STORE", "off"))) {
            Client client = Client.comparing(off.url());
            awaitStarted(client);
            ask(client, WHILE_OFF);
        }
    }

    @Test
    void reports_areAnsweredAsDescribed() throws Exception {
        Client.awaitUntil(() -> backend.client().get("/v1/agents").status() == 200);
        ask(backend.client(), REPORTS);
    }

    @Test
    void sessions_areAnsweredAsDescribed(@TempDir Path directory) throws Exception {
        try (ServedBackend process = StateInJvm.start(directory, Map.of("STATE_TOKENS_FILE", tokensIn(directory)))) {
            Client client = Client.comparing(process.url());
            Client.awaitUntil(
                    () -> client.send(asOperator(client, "/v1/sessions")).status() == 200);
            HttpResponse<InputStream> changes = client.open(changes(client));

            ask(client, REQUESTS);

            String first = awaitEvent(changes, "update");
            assertThat(awaitEvent(changes, "delete")).contains("\"id\":\"valve\",\"version\":2");
            String id = first.lines()
                    .filter(line -> line.startsWith("id: "))
                    .findFirst()
                    .orElseThrow();
            HttpResponse<InputStream> resumed =
                    client.open(changes(client).header("Last-Event-ID", id.substring("id: ".length())));
            assertThat(awaitEvent(resumed, "update")).contains("\"version\":2");
            awaitEvent(client.open(changes(client).header("Last-Event-ID", "other-1.1")), "reset");
        }
    }

    private static HttpRequest.Builder changes(Client client) {
        return asOperator(client, "/v1/sessions/changes");
    }

    private static HttpRequest.Builder asOperator(Client client, String path) {
        return client.request(path).header("Authorization", "Bearer " + BEARERS.get("operator"));
    }

    /**
     * Reads a stream up to the next event with this name, compares the text with the document, and returns the text.
     */
    private static String awaitEvent(HttpResponse<InputStream> stream, String name) {
        return assertTimeoutPreemptively(Client.PATIENCE, () -> {
            StringBuilder sent = new StringBuilder();
            while (!sent.toString().endsWith("\n\n") || !sent.toString().contains("event: " + name + "\n")) {
                int next = stream.body().read();
                assertThat(next).as("the stream ended after %s", sent).isNotNegative();
                sent.append((char) next); // garbles letters outside ASCII, which no check reads
            }
            String text = sent.toString();
            DOCUMENT.require("GET", "/v1/sessions/changes", new Answer(200, text, stream.headers()));
            return text;
        });
    }

    private static String digest(String client) {
        return HexFormat.of().formatHex(Sha256.of(BEARERS.get(client).getBytes(UTF_8)));
    }

    private static String tokensIn(Path directory) throws IOException {
        return Files.writeString(directory.resolve("tokens.json"), TOKENS).toString();
    }

    /** Sends the requests in a table and checks the statuses. The client compares each answer with the document. */
    private static void ask(Client client, String table) throws Exception {
        for (String[] cells : rows(table)) {
            assertThat(answer(client, cells).status())
                    .as(String.join(" ", cells))
                    .isEqualTo(Integer.parseInt(cells[0]));
        }
    }

    private static Client.Answer answer(Client client, String[] cells) throws Exception {
        byte[] body = cells[5].replace("LONG", "x".repeat(70_000)).getBytes(UTF_8);
        Map<String, String> headers = new LinkedHashMap<>();
        if (!cells[4].isEmpty()) {
            headers.put(cells[4].split(": ", -1)[0], cells[4].split(": ", -1)[1]);
        }
        if (BEARERS.containsKey(cells[3])) {
            headers.put("Authorization", "Bearer " + BEARERS.get(cells[3]));
        } else if (cells[3].equals("agent")) {
            headers.putAll(MessageSigner.of(new HmacSigner(Pcs.KEY))
                    .sign(
                            cells[1],
                            cells[2],
                            headers,
                            body,
                            Instant.now(),
                            UUID.randomUUID().toString()));
        }
        HttpRequest.Builder request = client.request(cells[2])
                .method(cells[1], body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
        headers.forEach(request::header);
        return client.send(request);
    }

    private static List<String[]> rows(String table) {
        return table.lines()
                .map(line -> Stream.of(line.split("\\|", -1)).map(String::strip).toArray(String[]::new))
                .toList();
    }

    /**
     * Checks that some request gets each described status. Status 200 of the stream of changes is tested separately.
     */
    @Test
    void sessions_everyDescribedStatusIsTested() {
        Map<String, Set<Integer>> asked = new TreeMap<>();
        asked.put("GET /v1/sessions/changes", new TreeSet<>(Set.of(200)));
        for (String[] cells : rows(REQUESTS + WHILE_DOWN + AFTER_FAILURES + WHILE_OFF)) {
            String path = cells[2].replaceFirst("\\?.*", "");
            String operation = cells[1] + " " + (path.matches("/v1/sessions(/changes)?") ? path : "/v1/sessions/{id}");
            asked.computeIfAbsent(operation, any -> new TreeSet<>()).add(Integer.valueOf(cells[0]));
        }

        assertThat(asked).allSatisfy((operation, statuses) -> {
            String[] parts = operation.split(" ", -1);
            Set<Integer> described = DOCUMENT.statuses(parts[0], parts[1]);
            described.removeIf(status -> OF_EVERY_PATH.contains(status) && !statuses.contains(status));
            assertThat(statuses).isEqualTo(described);
        });
        assertThat(asked).hasSize(5);
    }

    @Test
    void examples_conformToTheirSchemas() {
        List<String> broken = new ArrayList<>();
        int examples = 0;
        List<String> open = new ArrayList<>(List.of("/paths", "/components"));
        while (!open.isEmpty()) {
            String pointer = open.remove(0);
            JsonNode node = DOCUMENT.at(pointer);
            if (node.has("examples")) {
                for (Map.Entry<String, JsonNode> example : node.path("examples").properties()) {
                    examples++;
                    broken.addAll(DOCUMENT.violations(
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
    void examples_areAnsweredAsShown() throws Exception {
        String submit = "/paths/~1v1~1pcs~1submit/post";
        for (Map.Entry<String, JsonNode> sent : DOCUMENT.at(submit + "/requestBody/content/application~1json/examples")
                .properties()) {
            String status = sent.getKey().equals("accepted") ? "200" : "202";
            JsonNode expected = DOCUMENT.at(submit + "/responses/" + status + "/content/application~1json/examples/"
                    + sent.getKey() + "/value");
            Answer answer = backend.client()
                    .submit(sent.getValue().path("value").toString().getBytes(UTF_8));
            assertThat(answer.status()).as(sent.getKey()).isEqualTo(Integer.parseInt(status));
            assertThat(StrictJson.read(answer.body())).isEqualTo(expected);
        }
        String batch = "/paths/~1v1~1pcs~1batch/post";
        String two = "/content/application~1x-ndjson/examples/two/value";
        String answered = DOCUMENT.at(batch + "/responses/200" + two).textValue();
        assertThat(backend.client()
                        .batch(DOCUMENT.at(batch + "/requestBody" + two).textValue())
                        .body()
                        .replace(",\"duplicate\":true", ""))
                .isEqualTo(answered);
    }

    @Test
    void acceptedCertificates_conformToTheSchema_refusedDoNot() {
        String schema = "/components/schemas/Certificate";
        assertThat(DOCUMENT.violations(schema, StrictJson.read(Pcs.number(1).json())))
                .isEmpty();
        for (String field : List.of("pcs_id", "shard_id", "epoch", "scales", "N_j", "D_hat", "regime", "merkle_root")) {
            for (Pcs wrong : List.of(Pcs.number(1).without(field), Pcs.number(1).tampered(field, "true"))) {
                assertThat(DOCUMENT.violations(schema, StrictJson.read(wrong.json())))
                        .as(field)
                        .isNotEmpty();
            }
        }
    }
}
