"""Ways to tell somebody, a file each: ``send(rule, notice, ...)``, which raises UndeliveredError when it could not."""
