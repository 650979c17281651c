// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** What a block of code in the docs is: told by its language, or by how it begins. */
final class DocsBlock {
    /** What it is read as. */
    enum Kind {
        /** Each line is a command, but for those that go on with the line before. */
        COMMANDS,
        /** Lines that begin with a dollar are commands, the others are printed by them. */
        SESSION,
        QUERIES,
        SETTINGS,
        JSON,
        YAML,
        SAMPLE
    }

    private static final Set<String> BEGIN_COMMANDS = Set.of(
            "./flk",
            "apt-get",
            "cat",
            "cd",
            "chmod",
            "cp",
            "curl",
            "df",
            "dmesg",
            "docker",
            "du",
            "e2e/chaos/redis-stop.sh",
            "echo",
            "flk",
            "flk-agent",
            "flk-backend",
            "grep",
            "helm",
            "install",
            "java",
            "jfr",
            "jq",
            "openssl",
            "rm",
            "jstack",
            "journalctl",
            "kubectl",
            "kill",
            "ls",
            "mkdir",
            "mv",
            "mvn",
            "pgrep",
            "printf",
            "promtool",
            "psql",
            "redis-cli",
            "redis-server",
            "systemd-analyze",
            "rsync",
            "sed",
            "sudo",
            "systemctl",
            "tail",
            "tar",
            "timedatectl",
            "top",
            "umask",
            "useradd",
            "vmstat",
            "watch",
            "free",
            "ps",
            "date",
            "ss",
            "jcmd",
            "sha256sum",
            "chown",
            "logrotate");

    private static final Pattern SETTING = Pattern.compile("(?:[A-Z][A-Z0-9_]+=\\S.*)?");
    private static final Pattern YAML_KEY = Pattern.compile("[a-z][a-zA-Z]*:");
    private static final Pattern VARIABLES = Pattern.compile("(?:[A-Z][A-Z0-9_]+=\"?[^\\s]+\\s+)+\\S.*");

    private DocsBlock() {}

    static Kind kind(Markdown.Block block) {
        switch (block.language()) {
            case "sh", "bash", "shell" -> {
                return Kind.COMMANDS;
            }
            case "promql" -> {
                return Kind.QUERIES;
            }
            case "yaml" -> {
                return Kind.YAML;
            }
            case "json" -> {
                return Kind.JSON;
            }
            case "properties" -> {
                return Kind.SETTINGS;
            }
            default -> {}
        }
        String first = block.lines().get(0);
        if (block.lines().stream().anyMatch(line -> line.startsWith("$ "))) {
            return Kind.SESSION;
        }
        if (isCommand(first)) {
            return Kind.COMMANDS;
        }
        if (first.startsWith("{") && first.endsWith("}")) {
            return Kind.JSON;
        }
        if (YAML_KEY.matcher(first).matches() && block.lines().size() > 1) {
            return Kind.YAML;
        }
        if (block.lines().stream().allMatch(line -> SETTING.matcher(line).matches())) {
            return Kind.SETTINGS;
        }
        return isQueries(block) ? Kind.QUERIES : Kind.SAMPLE;
    }

    /** Whether a line is a command by its first word, or by the one behind its variables. */
    static boolean isCommand(String line) {
        String[] words = line.strip().split("\\s+", -1);
        int first = 0;
        while (first < words.length && words[first].matches("[A-Z][A-Z0-9_]*=.*")) {
            first++;
        }
        return first < words.length
                && (words.length > 1 || isOfTheProject(words[0]))
                && (BEGIN_COMMANDS.contains(words[first]) || isOfTheProject(words[first]))
                && (first == 0 || VARIABLES.matcher(line).matches());
    }

    /** Whether a word is a program of the project beside {@code ./flk}. */
    static boolean isOfTheProject(String word) {
        return word.matches("(?:e2e|deploy)/.*")
                && Files.isExecutable(Built.root().resolve(word))
                && Files.isRegularFile(Built.root().resolve(word));
    }

    /** The commands in a block; none if it has none. */
    static List<String> commands(Markdown.Block block) {
        Kind kind = kind(block);
        List<String> commands = new ArrayList<>();
        if (kind == Kind.SESSION) {
            block.lines().stream()
                    .filter(line -> line.startsWith("$ "))
                    .forEach(line -> commands.add(line.substring(2)));
        } else if (kind == Kind.COMMANDS) {
            StringBuilder command = new StringBuilder();
            for (String line : block.lines()) {
                boolean goesOn = command.toString().endsWith("\\");
                if (goesOn) {
                    command.setLength(command.length() - 1);
                    command.append(line.strip());
                } else {
                    add(commands, command);
                    command.setLength(0);
                    command.append(line);
                }
            }
            add(commands, command);
        }
        return commands;
    }

    private static void add(List<String> commands, StringBuilder command) {
        if (!command.toString().isBlank() && !command.toString().startsWith("#")) {
            commands.add(command.toString());
        }
    }

    /** One of the whole block if it was said to be a query, else one a line. */
    static List<String> queries(Markdown.Block block) {
        return block.language().equals("promql") ? List.of(block.text()) : block.lines();
    }

    private static boolean isQueries(Markdown.Block block) {
        try {
            return block.lines().stream()
                    .allMatch(line -> !Promql.read(line).uses().isEmpty());
        } catch (AssertionError e) {
            return false;
        }
    }
}
