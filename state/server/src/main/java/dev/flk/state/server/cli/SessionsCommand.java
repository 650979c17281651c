// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import static dev.flk.program.remote.RemoteConnection.parsed;
import static dev.flk.program.remote.RemoteConnection.refused;
import static dev.flk.program.remote.RemoteConnection.required;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.program.cli.OptionText;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.config.Quantities;
import dev.flk.program.json.Json;
import dev.flk.program.remote.RemoteConnection;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ScopeType;

/** The command {@code sessions}, which shows and changes sessions over its HTTP API. */
@Command(
        name = "sessions",
        description = {
            "Shows what each agent last reported about itself, and changes sessions.",
            "",
            "It asks the program of the configuration, or the one at --url. It needs an",
            "access token of STATE_TOKENS_FILE with rights to sessions/PREFIX.",
            ""
        })
final class SessionsCommand {
    private static final String PATH = "/v1/sessions";
    private static final String EVENT = "event: ";
    private static final String DATA = "data: ";
    private static final int PAGE = 1_000;
    private static final Table<JsonNode> TABLE = new Table<JsonNode>()
            .left("session", session -> session.path("id").asText())
            .right("age", session -> age(session.path("age").asLong()))
            .right("pending", session -> text(session, "pending"))
            .right(
                    "oldest",
                    session -> session.path("state").has("oldest_pending_seconds")
                            ? age(session.path("state")
                                    .path("oldest_pending_seconds")
                                    .asLong())
                            : "-")
            .right("dead", session -> text(session, "dead_letters"))
            .left("host", session -> text(session, "host"));

    private final Configuration config;

    @Mixin
    private final SessionConnection server;

    @Option(
            names = "--token-file",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "The file with the access token; queue and dead need none.")
    private @Nullable Path tokenFile;

    private SessionsCommand(Configuration config) {
        this.config = config;
        this.server = new SessionConnection(config);
    }

    /** Returns the command with its subcommands. */
    static CommandLine with(Configuration config) {
        SessionsCommand sessions = new SessionsCommand(config);
        return new CommandLine(sessions).addSubcommand(new SessionsDeadCommand(config, sessions.server::output));
    }

    @Command(name = "list", description = "Lists sessions in the order of their ids.")
    void list(
            @Option(
                            names = "--prefix",
                            paramLabel = "TEXT",
                            defaultValue = "",
                            description = "Only ids that begin with this.")
                    String prefix,
            @Option(
                            names = "--silent",
                            paramLabel = "DURATION",
                            description = "Only sessions without an update for this time, such as 5m.")
                    @Nullable
                    String silent,
            @Option(
                            names = "--limit",
                            paramLabel = "N",
                            description = "The largest number of lines (default: no limit).")
                    @Nullable
                    Integer limit)
            throws IOException {
        if (silent != null) {
            var unused = OptionText.parsed(server.spec(), "--silent", silent, Quantities::duration);
        }
        if (limit != null && limit < 1) {
            throw server.usage("--limit: a number from 1");
        }
        String conditions = "?prefix=" + encoded(prefix) + (silent == null ? "" : "&silent=" + encoded(silent));
        int left = limit == null ? Integer.MAX_VALUE : limit;
        String page = "";
        List<JsonNode> rows = new ArrayList<>();
        while (left > 0) {
            JsonNode found = parsed(send("GET", PATH + conditions + "&limit=" + Math.min(left, PAGE) + page, null, null)
                    .body());
            for (JsonNode session : found.path("sessions")) {
                long unused = RemoteConnection.number(session, "age");
                rows.add(session);
                left--;
            }
            if (!found.has("page")) {
                break;
            }
            page = "&page=" + encoded(found.path("page").asText());
        }
        if (server.isJson()) {
            rows.forEach(row -> server.output().print(row, JsonNode::asText));
        } else {
            server.out().print(rows.isEmpty() ? "no session" + System.lineSeparator() : TABLE.of(rows));
        }
    }

    @Command(name = "get", description = "Prints a session.")
    void get(@Parameters(paramLabel = "ID") String id) throws IOException {
        HttpResponse<String> found = send("GET", path(id), null, null);
        if (server.isJson()) {
            Got got = new Got(
                    id,
                    RemoteConnection.number("ETag", header(found, "ETag").replace("\"", "")),
                    header(found, "X-Flk-Updated-At"),
                    RemoteConnection.number("X-Flk-Expires-In", header(found, "X-Flk-Expires-In")),
                    Json.raw(found.body()));
            server.output().print(got, Got::id);
        } else {
            server.out().println(Printable.json(found.body()));
        }
    }

    /** The output of {@code get --json}. */
    private record Got(String id, long version, String updatedAt, long expiresIn, Object state) {}

    @Command(name = "set", description = "Creates or replaces a session with a JSON object.")
    void set(
            @Parameters(paramLabel = "ID") String id,
            @Parameters(paramLabel = "JSON") String state,
            @Option(
                            names = "--if-version",
                            paramLabel = "N",
                            description = "Only if the session has this version; 0: only if it does not exist.")
                    @Nullable
                    Long ifVersion)
            throws IOException {
        changed(send("PUT", path(id), state, ifVersion));
    }

    @Command(name = "delete", description = "Deletes a session; does nothing if it does not exist.")
    void delete(
            @Parameters(paramLabel = "ID") String id,
            @Option(names = "--if-version", paramLabel = "N", description = "Only if the session has this version.")
                    @Nullable
                    Long ifVersion)
            throws IOException {
        changed(send("DELETE", path(id), null, ifVersion));
    }

    @Command(name = "watch", description = "Prints changes as they occur, until it is interrupted.")
    void watch(
            @Option(
                            names = "--prefix",
                            paramLabel = "TEXT",
                            defaultValue = "",
                            description = "Only ids that begin with this.")
                    String prefix)
            throws IOException {
        HttpResponse<Stream<String>> changes =
                server.client().lines(request("GET", PATH + "/changes?prefix=" + encoded(prefix), null, null));
        try (Stream<String> lines = changes.body()) {
            if (changes.statusCode() != 200) {
                throw refused(changes.statusCode(), lines.findFirst().orElse(""));
            }
            String event = "";
            // the command ends when its output fails, for example when head closes the pipe
            for (Iterator<String> each = lines.iterator(); !server.out().checkError() && each.hasNext(); ) {
                String line = each.next();
                event = line.startsWith(EVENT) ? line.substring(EVENT.length()) : event;
                if (line.startsWith(DATA)) {
                    printChange(event, line.substring(DATA.length()));
                }
            }
            if (server.out().checkError()) {
                return;
            }
        } catch (UncheckedIOException e) {
            throw new IOException("the connection broke: " + e.getMessage(), e);
        }
        throw new IOException("the server ended the stream; start again, and list the sessions");
    }

    private void printChange(String event, String data) throws IOException {
        JsonNode change = parsed(data);
        if (server.isJson()) {
            server.out().print(Printable.json(Json.line(event, change)));
        } else if (event.equals("reset")) {
            server.out().println("changes were lost: list the sessions again");
        } else {
            String text = change.path("at").asText() + "  " + change.path("id").asText() + "  "
                    + (event.equals("update") ? change.path("state") : event);
            server.out().println(Printable.of(text));
        }
    }

    /** The state of the queue of session changes that are written to Postgres, as reported by the metrics. */
    private record Queue(long waiting, long active, long delayed, long completed, long failed, double oldestSeconds) {
        static Queue of(String metrics) throws IOException {
            return new Queue(
                    (long) sample(metrics, "flk_session_writes_pending", "{state=\"waiting\""),
                    (long) sample(metrics, "flk_session_writes_pending", "{state=\"active\""),
                    (long) sample(metrics, "flk_session_writes_pending", "{state=\"delayed\""),
                    (long) sample(metrics, "flk_session_writes_total", "{result=\"completed\""),
                    (long) sample(metrics, "flk_session_writes_total", "{result=\"failed\""),
                    sample(metrics, "flk_session_writes_oldest_seconds", ""));
        }

        String text() {
            return String.format(
                            "waiting    %,d%nactive     %,d%ndelayed    %,d by failures of Postgres%n",
                            waiting, active, delayed)
                    + String.format(
                            "oldest     %s%ncompleted  %,d by this process%n", age((long) oldestSeconds), completed)
                    + String.format("failed     %,d by this process; sessions dead list shows them%n", failed);
        }

        /** @param label the beginning of the labels; empty if the sample has none */
        private static double sample(String metrics, String name, String label) throws IOException {
            String sample = metrics.lines()
                    .filter(line -> line.startsWith(name + label))
                    .findFirst()
                    .orElseThrow(() -> new IOException(
                            "the metrics lack " + name + "; check that the URL names a program of this version"));
            return RemoteConnection.value(name, sample.substring(sample.lastIndexOf(' ') + 1), text -> {
                double number = Double.parseDouble(text);
                if (!(number >= 0 && number < Long.MAX_VALUE)) {
                    throw new NumberFormatException();
                }
                return number;
            });
        }
    }

    @Command(
            name = "queue",
            description = {
                "Shows how many changes are not in Postgres yet.",
                "",
                "It reads the metrics: the changes of all processes that wait, and",
                "those that this process has written.",
                ""
            })
    void queue() throws IOException {
        Queue queue = Queue.of(server.ask("GET", "/metrics", null).body());
        server.output().print(queue, Queue::text);
    }

    private void changed(HttpResponse<String> answer) throws IOException {
        server.output()
                .print(
                        parsed(answer.body()),
                        updated -> "version " + updated.path("version").asText() + System.lineSeparator());
    }

    /** @param ifVersion the version that the session must have; 0 if it must not exist; null for no condition */
    private HttpResponse<String> send(String method, String target, @Nullable String body, @Nullable Long ifVersion)
            throws IOException {
        return required(server.client().send(request(method, target, body, ifVersion)));
    }

    private HttpRequest.Builder request(String method, String target, @Nullable String body, @Nullable Long ifVersion)
            throws IOException {
        HttpRequest.Builder request =
                server.request(server.url(() -> RunningState.publicUrl(config)), method, target, body);
        if (tokenFile == null) {
            throw server.usage("--token-file: not given; name a file with an access token");
        }
        request.header("Authorization", "Bearer " + RemoteConnection.token(tokenFile));
        if (ifVersion != null) {
            String name = ifVersion == 0 ? "If-None-Match" : "If-Match";
            request.header(name, ifVersion == 0 ? "*" : "\"" + ifVersion + "\"");
        }
        return request;
    }

    private static String header(HttpResponse<String> answer, String name) throws IOException {
        return answer.headers()
                .firstValue(name)
                .orElseThrow(() ->
                        new IOException("the answer has no header " + name + "; does the URL name the right server?"));
    }

    private static String path(String id) {
        return PATH + "/" + encoded(id).replace("%2F", "/");
    }

    private static String text(JsonNode session, String member) {
        JsonNode value = session.path("state").path(member);
        return value.isValueNode() ? value.asText() : "-";
    }

    /** Renders a time in seconds in the largest unit in which its value is at least 2. */
    private static String age(long seconds) {
        return seconds < 120
                ? seconds + " s"
                : seconds < 7_200
                        ? seconds / 60 + " min"
                        : seconds < 172_800 ? seconds / 3_600 + " h" : seconds / 86_400 + " d";
    }

    /** Encodes text for a query or a path. */
    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
