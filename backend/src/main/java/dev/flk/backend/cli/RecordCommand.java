// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.cli.CommandLineProgram.ConfigOption;
import dev.flk.diagnosis.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.Quantities;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code record}, which prints the outcomes of a shard's certificates from a running backend. */
@Command(
        name = "record",
        description = {
            "Prints the outcomes of the certificates of a shard.",
            "",
            "It asks the backend of the configuration, or the one at --url. Without --shard,",
            "it lists the shards.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:the backend can't be reached, or has no record", "2:wrong usage or configuration"})
final class RecordCommand implements Callable<Integer> {
    private static final JsonMapper JSON = new JsonMapper();
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int PART = 1_000;
    private static final int SHORT_ID = 12;
    private static final String ROW = "%-19s %8s  %-12s  %-9s  %7s  %10s%n";
    private static final List<String> COLUMNS = List.of(
            "received_at",
            "shard_id",
            "epoch",
            "pcs_id",
            "verdict",
            "D_hat",
            "recomputed_D_hat",
            "budget",
            "recomputed_budget",
            "coh_star",
            "r",
            "regime",
            "reason",
            "policy",
            "key_id",
            "merkle_root");

    private final Map<String, String> environment;
    private final ConfigOption config;
    private final InstantSource clock;
    private Optional<String> login = Optional.empty();

    @Option(names = "--shard", paramLabel = "SHARD", description = "The full name of the shard.")
    private @Nullable String shard;

    @Option(
            names = "--since",
            paramLabel = "DURATION",
            description = "Only certificates received within this time, such as 24h or 7d.")
    private @Nullable String since;

    @Option(names = "--verdict", paramLabel = "VERDICT", description = "Only accepted, escalated or rejected.")
    private @Nullable String verdict;

    @Option(names = "--regime", paramLabel = "REGIME", description = "Only sticky, mixed or non_sticky.")
    private @Nullable String regime;

    @Option(names = "--limit", paramLabel = "N", description = "The largest number of lines (default: no limit).")
    private int limit = Integer.MAX_VALUE;

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Format format = Format.table;

    @Option(names = "--url", paramLabel = "URL", description = "The URL of the backend, such as http://127.0.0.1:8080.")
    private @Nullable String url;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** Output formats, named as users type them. */
    private enum Format {
        table,
        json,
        csv
    }

    RecordCommand(Map<String, String> environment, ConfigOption config, InstantSource clock) {
        this.environment = environment;
        this.config = config;
        this.clock = clock;
    }

    @Override
    public Integer call() throws IOException {
        if (limit < 1) {
            throw new ParameterException(spec.commandLine(), "--limit: a number from 1");
        }
        String base = url == null ? RunningBackend.url(environment, config.file) : url;
        login = RunningBackend.login(environment, config.file);
        PrintWriter out = spec.commandLine().getOut();
        if (shard == null) {
            each(base + "/v1/shards?", "", line -> out.println(shardLine(line)));
        } else {
            header(out);
            each(
                    base + "/v1/shards/" + encoded(shard).replace("+", "%20") + "/outcomes?",
                    filters(),
                    line -> print(out, line));
        }
        out.flush();
        return ExitCode.OK;
    }

    private String filters() {
        StringBuilder query = new StringBuilder();
        if (since != null) {
            query.append("&from=")
                    .append(encoded(clock.instant().minus(sinceDuration(since)).toString()));
        }
        if (verdict != null) {
            query.append("&verdict=").append(encoded(verdict));
        }
        if (regime != null) {
            query.append("&regime=").append(encoded(regime));
        }
        return query.toString();
    }

    private Duration sinceDuration(String text) {
        try {
            return Quantities.positive(text);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--since: '" + text + "' is " + e.getMessage(), e);
        }
    }

    private interface LineConsumer {
        void line(String line) throws IOException;
    }

    /** Passes each line to {@code consumer}, fetching one page after another. */
    private void each(String address, String filters, LineConsumer consumer) throws IOException {
        HttpClient client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(PATIENCE)
                .build();
        int left = limit;
        String cursor = "";
        while (left > 0 && cursor != null) {
            HttpResponse<String> part = ask(client, address + "limit=" + Math.min(PART, left) + filters + cursor);
            for (String line : part.body().lines().toList()) {
                consumer.line(line);
                left--;
            }
            cursor = part.headers()
                    .firstValue("X-Flk-Cursor")
                    .map(next -> "&cursor=" + next)
                    .orElse(null);
        }
    }

    private HttpResponse<String> ask(HttpClient client, String address) throws IOException {
        HttpResponse<String> answer;
        try {
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(URI.create(address)).timeout(PATIENCE);
            login.ifPresent(basic -> request.header("Authorization", "Basic " + basic));
            answer = client.send(request.build(), BodyHandlers.ofString());
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--url: not a URL: " + e.getMessage(), e);
        } catch (IOException e) {
            throw new IOException(
                    "no answer from " + address.replaceFirst("/v1/.*", "")
                            + ": it is not running, or the address is wrong (" + e + ")",
                    e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        if (answer.statusCode() == 401) {
            throw new IOException(
                    "the backend asks for the operators' login; run this with its METRICS_USER and METRICS_PASS");
        }
        if (answer.statusCode() != 200) {
            throw new IOException("HTTP %d: %s"
                    .formatted(
                            answer.statusCode(),
                            JSON.readTree(answer.body()).path("error").asText()));
        }
        return answer;
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    private String shardLine(String line) throws IOException {
        return format == Format.json
                ? line
                : Printable.of(JSON.readTree(line).path("shard_id").asText());
    }

    private void header(PrintWriter out) {
        if (format == Format.csv) {
            out.println(String.join(",", COLUMNS));
        } else if (format == Format.table) {
            out.printf(Locale.ROOT, ROW, "received (UTC)", "epoch", "pcs_id", "verdict", "D_hat", "recomputed");
        }
    }

    private void print(PrintWriter out, String line) throws IOException {
        JsonNode outcome = JSON.readTree(line);
        switch (format) {
            case json -> out.println(line);
            case csv ->
                out.println(COLUMNS.stream()
                        .map(column -> csv(outcome.path(column).asText()))
                        .collect(Collectors.joining(",")));
            case table -> row(out, outcome);
        }
    }

    private static String csv(String text) {
        return text.chars().allMatch(c -> c > ' ' && c != ',' && c != '"')
                ? text
                : '"' + text.replace("\"", "\"\"") + '"';
    }

    private static void row(PrintWriter out, JsonNode outcome) {
        String received = Instant.parse(outcome.path("received_at").asText())
                .truncatedTo(ChronoUnit.SECONDS)
                .toString();
        out.printf(
                Locale.ROOT,
                ROW,
                received.replace('T', ' ').replace("Z", ""),
                outcome.path("epoch").asText(),
                outcome.path("pcs_id").asText().substring(0, SHORT_ID),
                outcome.path("verdict").asText(),
                number(outcome.path("D_hat")),
                number(outcome.path("recomputed_D_hat")));
        String reason = outcome.path("reason").asText();
        if (!reason.isEmpty()) {
            out.print(Paragraph.wrapped("    ", 4, Printable.of(reason)));
        }
    }

    private static String number(JsonNode number) {
        return number.isNumber() ? String.format(Locale.ROOT, "%.4f", number.doubleValue()) : "-";
    }
}
