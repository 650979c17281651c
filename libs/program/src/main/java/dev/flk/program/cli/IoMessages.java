// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;

/** Explains the JDK's file exceptions, whose own messages often contain nothing but the path. */
public final class IoMessages {
    private IoMessages() {}

    /**
     * Returns a sentence, such as {@code can't use /x/y: there is no such file or directory} or {@code can't move /x/y
     * to /x/z: Is a directory}; if the exception names no file, returns only the reason.
     */
    public static String describe(IOException failure) {
        if (!(failure instanceof FileSystemException file)) {
            return reason(failure);
        }
        String use = file.getOtherFile() == null
                ? "use " + file.getFile()
                : "move " + file.getFile() + " to " + file.getOtherFile();
        return "can't " + use + ": " + reason(file);
    }

    /** Returns the reason without the name of the file. */
    public static String reason(IOException failure) {
        if (failure instanceof NoSuchFileException) {
            return "there is no such file or directory";
        }
        if (failure instanceof AccessDeniedException) {
            return "no permission";
        }
        if (failure instanceof FileAlreadyExistsException exists && Files.isDirectory(Path.of(exists.getFile()))) {
            return "it is a directory, but must be a file";
        }
        if (failure instanceof FileAlreadyExistsException || failure instanceof NotDirectoryException) {
            return "it is a file, but must be a directory";
        }
        if (failure instanceof CharacterCodingException) {
            return "it is not UTF-8";
        }
        String reason = failure instanceof FileSystemException file ? file.getReason() : failure.getMessage();
        return reason == null ? failure.getClass().getSimpleName() : reason;
    }
}
