// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import static dev.flk.backend.operate.cli.remote.BackendConnection.parsed;
import static dev.flk.backend.operate.cli.remote.BackendConnection.required;
import static dev.flk.backend.outcomes.record.OutcomeQuery.encoded;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.json.Json;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code review}, which lists and reviews certificates over the HTTP API of a running backend. */
@Command(
        name = "review",
        description = {
            "Lists certificates that wait for a review, records reviews, takes them back.",
            "",
            "An escalated or rejected certificate waits until somebody has reviewed it.",
            "It asks the backend of the configuration, or the one at --url.",
            ""
        })
public final class ReviewCommand {
    private static final String PATH = "/v1/reviews";
    private static final int PAGE = 1_000;
    private static final int SHORT_ID = 12;
    private static final String OTHER_OR_NONE = "which have another review or none";
    private static final Table<JsonNode> WAITING = new Table<JsonNode>()
            .left("received (UTC)", 19, RecordCommand::received)
            .left("pcs_id", SHORT_ID, RecordCommand::shortId)
            .left("verdict", 9, outcome -> outcome.path("verdict").asText())
            .left("shard", outcome -> outcome.path("shard_id").asText());
    private static final Table<JsonNode> REVIEWED = new Table<JsonNode>()
            .left("reviewed (UTC)", 19, review -> RecordCommand.seconds(review.path("at")))
            .left("pcs_id", SHORT_ID, RecordCommand::shortId)
            .left("decision", 8, review -> review.path("verdict").asText())
            .left("author", 12, review -> review.path("author").asText())
            .left("shard", review -> review.path("shard_id").asText());

    @Mixin
    private final BackendConnection backend;

    /** Decisions, named as users type them. */
    private enum Decision {
        expected,
        fault,
        ignore,
        unclear
    }

    public ReviewCommand(Configuration config) {
        this.backend = new BackendConnection(config);
    }

    @Command(name = "list", description = "Lists what waits for a review, the newest first.")
    void list(
            @Option(names = "--shard", paramLabel = "SHARD", description = "Only this shard; its full name.") @Nullable
                    String shard,
            @Option(names = "--reviewed", description = "The reviews instead, the newest first.") boolean isReviewed,
            @Option(
                            names = "--limit",
                            paramLabel = "N",
                            defaultValue = "100",
                            description = "The largest number of lines (default: ${DEFAULT-VALUE}).")
                    int limit)
            throws IOException {
        if (limit < 1) {
            throw backend.usage("--limit: a number from 1");
        }
        if (isReviewed && shard != null) {
            throw backend.usage("--reviewed can't be combined with --shard");
        }
        String query = PATH
                + (isReviewed
                        ? "?state=reviewed"
                        : "?state=waiting" + (shard == null ? "" : "&shard=" + encoded(shard)));
        List<String> lines = new ArrayList<>();
        String cursor = "";
        while (lines.size() < limit) {
            int most = Math.min(PAGE, limit - lines.size());
            HttpResponse<String> part = backend.ask("GET", query + "&limit=" + most + cursor, null);
            part.body().lines().forEach(lines::add);
            if (part.headers().firstValue("X-Flk-More").isPresent()) {
                backend.spec()
                        .commandLine()
                        .getErr()
                        .println("There are more; review these first, or give "
                                + (most < PAGE ? "a higher --limit or --shard." : "--shard."));
            }
            Optional<String> next = part.headers().firstValue("X-Flk-Cursor");
            if (next.isEmpty()) {
                break;
            }
            cursor = "&cursor=" + next.get();
        }
        if (backend.isJson()) {
            lines.forEach(line -> backend.out().println(Printable.json(line)));
            return;
        }
        List<JsonNode> rows = new ArrayList<>();
        for (String line : lines) {
            rows.add(parsed(line));
        }
        if (rows.isEmpty()) {
            backend.out().println(isReviewed ? "no review" : "no certificate waits for a review");
            return;
        }
        Table<JsonNode> table = isReviewed ? REVIEWED : WAITING;
        backend.out().print(table.heading());
        for (JsonNode row : rows) {
            backend.out().print(table.row(row));
            String remark = row.path(isReviewed ? "note" : "reason").asText();
            backend.out().print(remark.isEmpty() ? "" : Paragraph.wrapped("    " + Printable.of(remark)));
        }
    }

    /** The options with which certificates are chosen, and what they have in common. */
    private static final class Chosen {
        @Parameters(paramLabel = "ID", arity = "0..*", description = "Ids, or at least their first 8 digits.")
        private @Nullable List<String> ids;

        @Option(names = "--shard", paramLabel = "SHARD", description = "The shard of a group.")
        private @Nullable String shard;

        @Option(names = "--reason", paramLabel = "TEXT", description = "The reason of a group, up to the colon.")
        private @Nullable String reason;

        @Option(
                names = "--until",
                paramLabel = "TIME",
                description = "The arrival of the last certificate of a group, as list --json prints it.")
        private @Nullable String until;

        @Option(
                names = "--if-version",
                paramLabel = "N",
                description = "Only if the review has this version; 0: only if there is none.")
        private @Nullable Long ifVersion;

        @Option(names = "--note", paramLabel = "TEXT", description = "A remark.")
        private @Nullable String note;

        @Option(names = "--author", paramLabel = "NAME", description = "Your name (default: the name of the login).")
        private @Nullable String author;

        private boolean isGroup() {
            return shard != null && reason != null && until != null;
        }
    }

    /** The body of a review. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    private record Body(
            @Nullable List<String> ids,
            @Nullable String shard,
            @Nullable String reason,
            @Nullable String until,
            @Nullable String reviewedAt,
            String verdict,
            @Nullable String note,
            @Nullable String author) {}

    @Command(
            name = "set",
            description = {
                "Records a review of certificates.",
                "",
                "These are the given ids, or all certificates of a shard that wait for the same",
                "reason.",
                ""
            })
    void set(
            @Mixin Chosen chosen,
            @Option(
                            names = "--verdict",
                            paramLabel = "VERDICT",
                            required = true,
                            description = "${COMPLETION-CANDIDATES}.")
                    Decision verdict)
            throws IOException {
        JsonNode done = put(chosen, verdict.name(), null);
        if (!backend.isJson()) {
            print(
                    done,
                    "reviewed",
                    "certificate",
                    chosen.isGroup() ? "which others reviewed meanwhile" : OTHER_OR_NONE);
        }
    }

    @Command(
            name = "withdraw",
            description = {
                "Takes back reviews, so that the certificates wait again.",
                "",
                "These are those of the given ids, or of the certificates of a group that were",
                "reviewed at the same time.",
                ""
            })
    void withdraw(
            @Mixin Chosen chosen,
            @Option(
                            names = "--at",
                            paramLabel = "TIME",
                            description = "The time of the reviews of a group, as list --reviewed --json prints it.")
                    @Nullable
                    String at)
            throws IOException {
        if (chosen.isGroup() != (at != null)) {
            throw backend.usage("--at: needed for a group, and only there");
        }
        JsonNode done = put(chosen, "withdrawn", at);
        if (!backend.isJson()) {
            print(done, "withdrawn", "review", OTHER_OR_NONE);
        }
    }

    /** Sends a review, prints the answer if it is to be printed as JSON, and returns it. */
    private JsonNode put(Chosen chosen, String verdict, @Nullable String reviewedAt) throws IOException {
        List<String> ids = chosen.ids == null ? List.of() : chosen.ids;
        if (chosen.isGroup() != ids.isEmpty()) {
            throw backend.usage(
                    "give either ids, or all of --shard, --reason and --until; 'list --json' prints what they need");
        }
        Long ifVersion = chosen.ifVersion;
        if (ifVersion != null && (chosen.isGroup() || ifVersion < 0)) {
            throw backend.usage("--if-version: a number from 0, for ids");
        }
        Body body = new Body(
                ids.isEmpty() ? null : ids,
                chosen.shard,
                chosen.reason,
                chosen.until,
                reviewedAt,
                verdict,
                chosen.note,
                chosen.author);
        HttpRequest.Builder request = backend.request("PUT", PATH, Json.line(body));
        if (ifVersion != null) {
            request.header("If-Match", "\"" + ifVersion + "\"");
        }
        String answer = required(backend.sendWithLogin(request)).body();
        if (backend.isJson()) {
            backend.out().println(Printable.json(answer));
        }
        return parsed(answer);
    }

    private void print(JsonNode done, String member, String noun, String whyLeftOut) throws IOException {
        if (done.has("group")) {
            backend.out()
                    .println("The group is large and is reviewed in steps; GET " + PATH + "/groups/"
                            + Printable.of(done.path("group").asText()) + " says how far, and DELETE stops it.");
            return;
        }
        long leftOut = done.has("left_out") ? BackendConnection.number(done, "left_out") : 0;
        String summary = ErrorMessages.count(BackendConnection.number(done, member), noun) + " " + member;
        backend.out().println(summary + (leftOut == 0 ? "" : ", " + leftOut + " left out, " + whyLeftOut + ":"));
        done.path("left_out_ids").forEach(id -> backend.out().println("  " + Printable.of(id.asText())));
        if (leftOut > done.path("left_out_ids").size()) {
            backend.out().println("  …");
        }
    }
}
