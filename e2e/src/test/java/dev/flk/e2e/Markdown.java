// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A page of the docs: its blocks of code, what else stands in code, its headings and its links. */
final class Markdown {
    private static final Pattern SPAN = Pattern.compile("(?<!`)(`+)(?!`)(.+?)(?<!`)\\1(?!`)");
    private static final Pattern LINK = Pattern.compile("]\\(([^)\\s]+)\\)");
    private static final Pattern HEADING = Pattern.compile("#{1,6} +(.*)");
    private static final String INDENT = "    ";

    private final Path file;
    private final String text;
    private final List<Block> blocks = new ArrayList<>();
    private final List<Quote> quotes = new ArrayList<>();
    private final List<String> links = new ArrayList<>();
    private final Set<String> anchors = new HashSet<>();

    /**
     * Lines of code, without what indents them.
     *
     * @param language what stands behind the fence; empty where there is none
     * @param line of the page, from 1
     */
    record Block(Markdown page, int line, String language, List<String> lines) {
        String text() {
            return String.join("\n", lines);
        }

        @Override
        public String toString() {
            return page.name() + ":" + line + " " + lines.get(0);
        }
    }

    /** Something in back quotes. */
    record Quote(Markdown page, int line, String text) {
        @Override
        public String toString() {
            return page.name() + ":" + line + " `" + text + "`";
        }
    }

    private Markdown(Path file, String text) {
        this.file = file;
        this.text = text;
    }

    static Markdown read(Path file) throws IOException {
        Markdown page = new Markdown(file, Files.readString(file));
        page.parse();
        return page;
    }

    /** Of the root of the project, of {@code docs}, and every README of {@code demo} and {@code deploy}. */
    static List<Markdown> all() throws IOException {
        List<Path> files = new ArrayList<>(List.of(Built.root().resolve("README.md")));
        try (Stream<Path> docs = Files.list(Built.root().resolve("docs"));
                Stream<Path> deploy = Files.walk(Built.root().resolve("deploy"));
                Stream<Path> demo = Files.list(Built.root().resolve("demo"))) {
            Stream.of(docs, deploy, demo)
                    .flatMap(each -> each)
                    .filter(each -> each.toString().endsWith(".md"))
                    .sorted()
                    .forEach(files::add);
        }
        List<Markdown> pages = new ArrayList<>();
        for (Path each : files) {
            pages.add(read(each));
        }
        return pages;
    }

    Path file() {
        return file;
    }

    String text() {
        return text;
    }

    /** Its path from the root of the project. */
    String name() {
        return Built.root().relativize(file).toString();
    }

    List<Block> blocks() {
        return blocks;
    }

    List<Quote> quotes() {
        return quotes;
    }

    List<String> links() {
        return links;
    }

    /** What may stand behind the {@code #} of a link to it. */
    Set<String> anchors() {
        return anchors;
    }

    private void parse() {
        List<String> lines = text.lines().toList();
        for (int at = 0; at < lines.size(); ) {
            String line = lines.get(at);
            if (line.startsWith("```")) {
                int end = at + 1;
                while (!lines.get(end).equals("```")) {
                    end++;
                }
                blocks.add(new Block(this, at + 2, line.substring(3), lines.subList(at + 1, end)));
                at = end + 1;
            } else if (line.startsWith(INDENT) && (at == 0 || lines.get(at - 1).isBlank())) {
                int end = at;
                while (end < lines.size()
                        && (lines.get(end).startsWith(INDENT) || lines.get(end).isBlank())) {
                    end++;
                }
                int after = end;
                while (lines.get(end - 1).isBlank()) {
                    end--;
                }
                blocks.add(new Block(
                        this,
                        at + 1,
                        "",
                        lines.subList(at, end).stream()
                                .map(each -> each.isBlank() ? "" : each.substring(INDENT.length()))
                                .toList()));
                at = after;
            } else {
                parseProse(line, at + 1);
                at++;
            }
        }
    }

    private void parseProse(String line, int number) {
        SPAN.matcher(line).results().forEach(span -> quotes.add(new Quote(this, number, span.group(2))));
        LINK.matcher(line).results().map(link -> link.group(1)).forEach(links::add);
        HEADING.matcher(line).results().map(MatchResult::group).limit(1).forEach(heading -> {
            if (line.startsWith("#")) {
                anchors.add(heading.replaceFirst("#+ +", "")
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\p{L}\\p{N} _-]", "")
                        .replace(' ', '-'));
            }
        });
    }
}
