from dashboard.launch import main

main()
