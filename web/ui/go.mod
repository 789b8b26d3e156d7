module github.com/aetherlink/tidemark/web/ui // its own module, so that ./... skips node_modules

go 1.26
