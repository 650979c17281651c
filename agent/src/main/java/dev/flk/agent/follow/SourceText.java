// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.CertifyOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/** The text of an entry of a file of sources, for users to complete and to copy. */
public final class SourceText {
    private static final int WIDTH = 76;
    private static final int MOST_CANDIDATES = 3;
    private static final int LONGEST_NAME = 64;

    private final StringBuilder text = new StringBuilder("sources:\n");

    private SourceText() {}

    /**
     * Returns a file of sources with one entry.
     *
     * @param shard the shard; empty for the name of the source
     * @param open by option, values that are possible instead of the one that is set, or that one is to be chosen from
     * @param notes comments
     */
    public static String of(
            Path file,
            CertifyOptions options,
            boolean isComplete,
            Optional<String> shard,
            Map<String, List<String>> open,
            List<String> notes) {
        SourceText entry = new SourceText();
        Path absolute = file.toAbsolutePath().normalize();
        String name = String.valueOf(absolute.getFileName())
                .replaceFirst("\\.(csv|tsv|txt)(\\.gz)?$", "")
                .replaceAll("[^A-Za-z0-9._-]+", "-");
        entry.line(
                "  - ", SourceMembers.line("name", List.of(name.substring(0, Math.min(LONGEST_NAME, name.length())))));
        notes.forEach(note -> entry.comment("    ", note));
        entry.line("    ", SourceMembers.line("files", List.of(Globs.literal(absolute.toString()))));
        entry.line("    ", "complete: " + isComplete);
        if (!isComplete) {
            entry.comment("    ", "or complete: true, if no file grows after it appears");
        }
        CommandSpec spec = CommandSpec.forAnnotatedObject(options);
        SourceMembers.OPTIONS.forEach((member, option) ->
                entry.member(member, spec.findOption(option).<Object>getValue(), open.getOrDefault(option, List.of())));
        shard.ifPresent(id -> entry.line("    ", SourceMembers.line("shard", List.of(id))));
        return entry.text.toString();
    }

    private void member(String member, @Nullable Object value, List<String> candidates) {
        String indent = member.startsWith("time.") ? "      " : "    ";
        List<String> values = values(value).stream()
                .flatMap(each -> Stream.of(member.equals("time.column") ? each.split(",", -1) : new String[] {each}))
                .toList();
        if (member.equals("time.column")) {
            line("    ", values.isEmpty() && candidates.isEmpty() ? "time: " + SourceEntry.NO_TIME : "time:");
        }
        if (!values.isEmpty()) {
            line(indent, member.equals("header") ? "header: false" : SourceMembers.line(member, values));
        }
        String or = values.isEmpty() ? "" : "or ";
        for (String each : candidates.subList(0, Math.min(MOST_CANDIDATES, candidates.size()))) {
            comment(indent, or + SourceMembers.line(member, List.of(each)));
            or = "or ";
        }
    }

    /** Returns the texts of an option; none if it has its default. */
    private static List<String> values(@Nullable Object value) {
        if (value instanceof List<?> list) {
            return list.stream().map(String::valueOf).toList();
        }
        return value == null || value.equals(0) || value.equals(false) ? List.of() : List.of(value.toString());
    }

    private void line(String indent, String line) {
        text.append(indent).append(line).append('\n');
    }

    private void comment(String indent, String comment) {
        StringBuilder line = new StringBuilder("#");
        for (String word : comment.split("[ \n]+", -1)) {
            if (line.length() > 1 && line.length() + word.length() + indent.length() > WIDTH) {
                line(indent, line.toString());
                line.setLength(1);
            }
            line.append(' ').append(word);
        }
        line(indent, line.toString());
    }
}
