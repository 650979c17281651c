// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvFacts;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.agent.csv.TimeFormat;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Printable;
import java.io.IOException;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * A preview of the columns, rows and windows of a CSV.
 *
 * @param text the preview for a terminal, in lines of at most 80 columns; lines with long names or numbers may be
 *     longer
 */
public record Preview(String text) {
    /** The names of what {@link #line} returns. */
    static final String HEADING = "last row                rows   D_hat  coh_star      r  regime";

    private static final int SHOWN_ROWS = 5;
    private static final int MOST_SHARD_CHARS = 12;

    /** Reads all rows of a file and returns the preview. {@code file} is the name of the file. */
    public static Preview of(String file, CsvRows csv, Windows windows) throws IOException, MalformedCsv {
        List<Row> shown = new ArrayList<>();
        long[] counts = new long[2];
        windows.cut(csv, window -> {
            window.rows().stream().limit(SHOWN_ROWS - shown.size()).forEach(shown::add);
            counts[0]++;
            counts[1] += window.isShort() ? 1 : 0;
        });
        StringBuilder text = new StringBuilder("%s%n%n".formatted(file));
        for (CsvFacts.Fact fact : csv.understood()) {
            text.append(String.format(Locale.ROOT, "%-8s %s%n", fact.label(), fact.text()));
        }
        windows.choice(csv.valueNames().size()).ifPresent(choice -> text.append("windows  %s%n".formatted(choice)));
        text.append(System.lineSeparator());
        for (Row row : shown) {
            String time = csv.hasTimes()
                    ? TimeFormat.instant(row.timestampSeconds(), ZoneOffset.UTC)
                    : CanonicalDouble.print(row.timestampSeconds());
            String values = List.of(row.x(), row.y(), row.z()).subList(0, row.values()).stream()
                    .map(CanonicalDouble::print)
                    .collect(Collectors.joining("  "));
            text.append(String.format(Locale.ROOT, "%-28s  %s  %s", time, values, Printable.of(row.shard()))
                            .stripTrailing())
                    .append(System.lineSeparator());
        }
        text.append("%n%s in %s, %d of them short; skipped %s with an empty cell%n"
                .formatted(
                        ErrorMessages.count(csv.rows(), "row"),
                        ErrorMessages.count(counts[0], "window"),
                        counts[1],
                        ErrorMessages.count(csv.skippedRows(), "row")));
        if (csv.hasShards()) {
            text.append("%s, each with windows of its own%n".formatted(ErrorMessages.count(csv.shards(), "shard")));
        }
        if (csv.leftOutRows() > 0) {
            text.append("%s left out by --only%n".formatted(ErrorMessages.count(csv.leftOutRows(), "row")));
        }
        return new Preview(text.toString());
    }

    /** Returns the numbers of a window in a line of at most 80 columns; {@code shard} may be empty. */
    static String line(Window window, byte[] certificate, String shard) {
        SignedFields claim;
        try {
            claim = CertificateReader.parse(certificate).signed();
        } catch (MalformedCertificate e) {
            throw new IllegalArgumentException(e);
        }
        double last = window.rows().get(window.rows().size() - 1).timestampSeconds();
        int cut = Math.max(0, shard.length() - MOST_SHARD_CHARS);
        return String.format(
                        Locale.ROOT,
                        "%-20s %7d  %6.4f    %6.4f  %5.3f  %-10s  %s",
                        window.hasTimes()
                                ? TimeFormat.instant(Math.floor(last), ZoneOffset.UTC)
                                : CanonicalDouble.print(last),
                        window.rows().size(),
                        claim.dHat(),
                        claim.cohStar(),
                        claim.r(),
                        Regime.of(claim.dHat(), claim.cohStar()).wireName(),
                        Printable.of((cut > 0 ? "…" : "") + shard.substring(cut)))
                .stripTrailing();
    }
}
