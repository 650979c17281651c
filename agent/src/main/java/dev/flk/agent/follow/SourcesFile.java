// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.follow.YamlValue.BadYaml;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.files.RegularFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The YAML file that lists the sources of an agent. docs/agent.md has a table of its members. Reading the same text
 * twice gives equal sources.
 */
public final class SourcesFile {
    /** The setting that names the file. */
    public static final Key<Path> FILE = Key.of(
            "SOURCES_FILE", Quantities::path, "A YAML file that lists the CSV files to certify while the agent runs.");

    private static final int MOST_BYTES = 1 << 20;
    private static final int MOST_SOURCES = 1_000;
    private static final int MOST_PROBLEMS = 50;

    private SourcesFile() {}

    /**
     * Reads the sources.
     *
     * @throws InvalidConfig if an entry is invalid; lists the problems, at most 50, each with its line and column
     * @throws IOException if the file can't be read
     */
    public static List<Source> read(Path file) throws IOException {
        RegularFile.requireOrNothing(file);
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MOST_BYTES + 1);
        }
        if (bytes.length > MOST_BYTES) {
            throw new InvalidConfig(List.of(file + " is longer than 1 MiB, so it is no file of sources"));
        }
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new InvalidConfig(List.of(file + " is not text in UTF-8; save it in UTF-8"));
        }
        List<String> problems = new ArrayList<>();
        List<Source> sources = read(text, file.toAbsolutePath(), problems);
        if (!problems.isEmpty()) {
            throw new InvalidConfig(problems.stream()
                    .limit(MOST_PROBLEMS)
                    .map(each -> file + ", " + Printable.of(each))
                    .toList());
        }
        return sources;
    }

    private static List<Source> read(String text, Path file, List<String> problems) {
        List<Source> sources = new ArrayList<>();
        Set<String> names = new HashSet<>();
        try {
            YamlValue root = YamlValue.read(text);
            YamlValue entries = root.mapping().get("sources");
            if (entries == null || !entries.isList() || root.mapping().size() > 1) {
                throw new BadYaml(root.at(), "the file must have one member, sources, with a list of sources");
            }
            if (entries.list().size() > MOST_SOURCES) {
                throw new BadYaml(
                        root.at(),
                        "the file has " + entries.list().size() + " sources, but at most " + MOST_SOURCES
                                + " are supported");
            }
            for (YamlValue entry : entries.list()) {
                new SourceEntry(entry, file.resolveSibling(""), problems::add)
                        .source()
                        .ifPresent(source -> {
                            if (!names.add(source.name())) {
                                problems.add(YamlValue.place(entry.at()) + "source " + source.name()
                                        + ": another source has this name; choose another");
                            }
                            sources.add(source);
                        });
            }
        } catch (BadYaml e) {
            problems.add(e.getMessage());
        }
        return List.copyOf(sources);
    }
}
